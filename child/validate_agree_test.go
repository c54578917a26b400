package child

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The quick check and the list of faults agree on every spec, but for those with edges, of
// which the quick check says no in any case.
func TestQuickCheckOfASpecAgreesWithItsFaults(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	valid := 0
	for range 20_000 {
		spec := Spec{Name: "a", Run: func(Context) error { return nil }}
		for range r.IntN(3) {
			d := []time.Duration{-2, -1, 0, 1, Forever}[r.IntN(5)]
			switch r.IntN(9) {
			case 0:
				spec.Name = []string{"", "a/b", "ä", "a\x00", "\xff", "\u202e", "a b", "~", "\x7f"}[r.IntN(9)]
			case 1:
				spec.Run = nil
			case 2:
				spec.Restart = Restart(r.IntN(4))
			case 3:
				spec.Significant = true
			case 4:
				spec.StopTimeout = d
			case 5:
				spec.StartTimeout = d
			case 6:
				spec.ResetAfter = d
			case 7:
				spec.Heartbeat = d
			case 8:
				spec.Needs = [][]string{nil, {"b"}, {"a"}}[r.IntN(3)]
			}
		}
		faults := spec.faults()
		if spec.isValid() != (len(faults) == 0 && spec.Needs == nil) {
			t.Fatalf("%+v: %v, %v", spec, spec.isValid(), faults)
		}
		if len(faults) == 0 {
			valid++
		}
	}
	if valid < 1000 || valid > 19_000 {
		t.Errorf("%d are valid", valid)
	}
}

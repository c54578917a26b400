package supervisor

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// The quick check and the list of faults agree on every spec, but for those with edges, of
// which the quick check says no in any case.
func TestQuickCheckOfASpecAgreesWithItsFaults(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	valid := 0
	for range 20_000 {
		spec := Spec{Children: []child.Spec{{Name: "a", Run: obedientRun}, {Name: "b", Run: obedientRun}}}
		some := &spec.Children[r.IntN(2)]
		for range r.IntN(3) {
			switch r.IntN(12) {
			case 0:
				spec.Name = []string{"", "a/b", "ä", "\x00"}[r.IntN(4)]
			case 1:
				spec.Strategy = strategy.Strategy(r.IntN(7))
			case 2:
				spec.Intensity = []strategy.Intensity{strategy.AtMost(-1, time.Second), strategy.AtMost(1, time.Second), strategy.Unlimited()}[r.IntN(3)]
			case 3:
				spec.Backoff = child.Constant(0)
			case 4:
				spec.AutoShutdown = strategy.AutoShutdown(r.IntN(4))
			case 5:
				spec.MaxChildren = r.IntN(4) - 1
			case 6:
				spec.StopTimeout = time.Duration(r.IntN(3) - 1)
			case 7:
				spec.Drain = time.Duration(r.IntN(3) - 1)
			case 8:
				some.Name = []string{"a", "b", "c", ""}[r.IntN(4)]
			case 9:
				some.Run = nil
			case 10:
				some.Significant, some.Restart = r.IntN(2) == 0, child.Transient
			case 11:
				some.Needs = [][]string{nil, {"a"}}[r.IntN(2)]
			}
		}
		faults := spec.faults("/root")
		require.Equal(t, len(faults) == 0 && !rules.HasEdges(*some), spec.isValid(), "%+v: %v", spec, faults)
		if len(faults) == 0 {
			valid++
		}
	}
	require.Greater(t, valid, 1000)
	require.Less(t, valid, 19_000)
}

package otptest

import (
	"slices"
	"testing"
)

// replay plays every scenario that has none of the tags left out, and compares.
func replay(t *testing.T, leftOut []string, play func(*testing.T, *Scenario) *Trace) {
	files, err := Load(Dir())
	if err != nil {
		t.Fatal(err)
	}
	played, skipped := 0, 0
	for _, f := range files {
		for _, s := range f.Scenarios {
			if s.Tagged(leftOut...) {
				skipped++
				continue
			}
			played++
			t.Run(f.Name+"/"+s.Name, func(t *testing.T) {
				if diff := Compare(f.Traces[s.Name], play(t, s)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	slices.Sort(leftOut)
	t.Logf("replayed %d scenarios, left out %d tagged %v", played, skipped, leftOut)
}

package otptest

import (
	"testing"

	"github.com/coppice-go/coppice/child"
)

// A child that has ended, but whose supervisor does not know yet, counts as active only
// under simple_one_for_one.
func TestOTPCountsOfAChildThatHasJustEnded(t *testing.T) {
	for strategy, want := range map[string]string{
		"one_for_one":        "specs=2 active=1 supervisors=0 workers=2",
		"simple_one_for_one": "specs=1 active=2 supervisors=0 workers=2",
	} {
		list := Listing{Sup: &Node{Sup: true, Strategy: strategy}, Children: []Listed{
			{Name: "a", State: child.Running, Type: "worker"},
			{Name: "b", State: child.Running, Type: "worker", Dead: true},
		}}
		if got := list.Counts(); got != want {
			t.Errorf("%s: %s, want %s", strategy, got, want)
		}
	}
}

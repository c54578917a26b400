package supervisor_test

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/coppice-go/coppice/supervisortest/chaos"
)

// Order, budgets and reports hold under each preset of supervisortest/chaos, on a tree of
// each strategy.
func TestChaosUnderEachStrategy(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		below := supervisor.Spec{
			Strategy: s, Intensity: strategy.AtMost(20, time.Second),
			Children: []child.Spec{{Name: "x", Run: idle}, {Name: "y", Run: idle, Backoff: child.Constant(50 * time.Millisecond)}},
		}
		if s == strategy.Graph {
			below.Children[1].Needs = []string{"x"}
		}
		inner := supervisor.New(below)
		top := supervisor.Spec{
			Strategy: s, Intensity: strategy.Unlimited(), Backoff: child.Constant(10 * time.Millisecond),
			Children: []child.Spec{{Name: "a", Run: idle}, {Name: "inner", Run: inner.Run}, {Name: "b", Run: idle}},
		}
		if s == strategy.Graph {
			top.Children[0].Needs, top.Children[2].Needs, top.Children[2].After = []string{"inner"}, []string{"inner"}, []string{"a"}
		}
		sup := supervisortest.Start(t, top)
		messy := chaos.Messy(uint64(s) + 1)
		messy.Duration = 10 * time.Second
		chaos.Play(t, sup, messy)
	})
}

package supervisor_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// An ending is a way for a run to end by itself.
type ending struct {
	name  string
	end   func() error
	clean bool // it is no failure
	done  bool // it wants no restart
}

var endings = []ending{
	{name: "nil", end: func() error { return nil }, clean: true},
	{name: "error", end: func() error { return errBoom }},
	{name: "ErrShutdown", end: func() error { return fmt.Errorf("enough: %w", child.ErrShutdown) }, clean: true},
	{name: "ErrDone", end: func() error { return fmt.Errorf("enough: %w", child.ErrDone) }, clean: true, done: true},
	{name: "panic", end: func() error { panic(errBoom) }},
	{name: "Goexit", end: func() error { runtime.Goexit(); return nil }},
}

// restarted is the table in the doc of child.Restart.
func (e ending) restarted(r child.Restart) bool {
	switch {
	case e.done || r == child.Temporary:
		return false
	case r == child.Permanent:
		return true
	default:
		return !e.clean
	}
}

// follows are the events, in order, after b of a, b, c has ended in that way.
func (e ending) follows(s strategy.Strategy, r child.Restart) []string {
	lines := []string{"failed b"}
	if e.clean {
		lines = []string{"completed b"}
	}
	if !e.restarted(r) {
		if r == child.Temporary || s == strategy.Independent {
			lines = append(lines, "removed b")
		}
		return lines
	}
	lines = append(lines, "restarting b")
	switch s {
	case strategy.OneForAll:
		return append(lines, "stopping c", "stopped c", "stopping a", "stopped a",
			"starting a", "ready a", "starting b", "ready b", "starting c", "ready c")
	case strategy.RestForOne:
		return append(lines, "stopping c", "stopped c", "starting b", "ready b", "starting c", "ready c")
	default:
		return append(lines, "starting b", "ready b")
	}
}

// stateAfter is the state of b then; ok is false if it is forgotten.
func (e ending) stateAfter(s strategy.Strategy, r child.Restart) (st child.State, ok bool) {
	switch {
	case e.restarted(r):
		return child.Running, true
	case r == child.Temporary || s == strategy.Independent:
		return 0, false
	default:
		return child.Done, true
	}
}

func TestEachEndUnderEachStrategyRestartsWhatTheTablesSay(t *testing.T) {
	for _, s := range allStrategies {
		for _, r := range []child.Restart{child.Permanent, child.Transient, child.Temporary} {
			for _, e := range endings {
				t.Run(fmt.Sprintf("%v/%v/%s", s, r, e.name), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						b := newPuppet()
						sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
							{Name: "a", Run: newPuppet().Run},
							{Name: "b", Run: b.Run, Restart: r},
							{Name: "c", Run: newPuppet().Run},
						}})
						recorded := record(t, sup)

						b.endBy(e.end)
						require.Equal(t, e.follows(s, r), recorded.lines())
						st, ok := sup.Lookup("b")
						want, kept := e.stateAfter(s, r)
						require.Equal(t, kept, ok)
						require.Equal(t, want, st.State)
						for _, sibling := range []string{"a", "c"} {
							require.Equal(t, child.Running, state(t, sup, sibling))
						}

						if e.restarted(r) { // and it is the same the next time
							b.endBy(e.end)
							require.Equal(t, e.follows(s, r), recorded.lines())
							st, _ := sup.Lookup("b")
							require.Equal(t, 2, st.Restarts)
						}
					})
				})
			}
		}
	}
}

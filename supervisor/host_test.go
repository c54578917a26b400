package supervisor_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// goroutineHere returns the name of its goroutine, for example "goroutine 7".
func goroutineHere() string {
	buf := make([]byte, 64)
	id, _, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), " [")
	return id
}

// The end of a panicking run: what it counts as, and whether the next run has the same
// goroutine. Only Goexit ends that, also the Goexit that a panic has come into.
var violentEnds = []struct {
	name string
	end  func() error
	err  string
	same bool
}{
	{"a panic", explode, "panic: boom", true},
	{"a panic with nil", func() error { panic(nil) }, "panic: " + new(runtime.PanicNilError).Error(), true},
	{"a panic in a deferred function", func() error {
		defer explode() //nolint:errcheck
		return nil
	}, "panic: boom", true},
	{"a panic in a deferred function that another one runs", func() error {
		defer explode() //nolint:errcheck
		panic("first")
	}, "panic: boom", true},
	{"a panic that is recovered and begins again", func() error {
		defer func() { panic(recover()) }()
		return explode()
	}, "panic: boom", true},
	{"a panic after one that was recovered", func() error {
		func() {
			defer func() { _ = recover() }()
			_ = explode()
		}()
		panic("again")
	}, "panic: again", true},
	{"a panic with an error whose text panics", func() error { panic(hostileError(explode)) }, "panic: %!v(PANIC=Error method: boom)", true},
	{"a panic with an error whose text calls Goexit", func() error { panic(hostileError(goexit)) }, child.ErrGoexit.Error(), false},
	{"Goexit", goexit, child.ErrGoexit.Error(), false},
	{"Goexit in a panic", func() error {
		defer goexit() //nolint:errcheck
		return explode()
	}, child.ErrGoexit.Error(), false},
	{"a panic in Goexit", func() error {
		defer explode() //nolint:errcheck
		return goexit()
	}, "panic: boom", false},
	{"a panic in Goexit, recovered", func() error {
		defer func() {
			defer func() { _ = recover() }()
			_ = explode()
		}()
		return goexit()
	}, child.ErrGoexit.Error(), false},
}

type hostileError func() error

func (e hostileError) Error() string { return e().Error() }

// Each end three times in a row, after another panic, and once more while the child stops.
func TestRunGoesOnOnTheSameGoroutineAfterAPanicButNotAfterGoexit(t *testing.T) {
	for _, c := range violentEnds {
		for _, decides := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					spec := child.Spec{Name: "a"}
					if decides {
						spec.Decide = func(err error) error { return err }
					}
					var on []string
					p := newPuppet()
					spec.Run = func(ctx child.Context) error {
						on = append(on, goroutineHere())
						err := p.Run(ctx)
						if ctx.Err() != nil {
							return c.end()
						}
						return err
					}
					sup := start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{spec}})
					p.endBy(explode)
					for range 3 {
						p.endBy(c.end)
						st, _ := sup.Lookup("a")
						require.Equal(t, child.Running, st.State)
						require.EqualError(t, st.LastError, c.err)
					}
					require.Len(t, on, 5)
					require.Equal(t, on[0], on[1])
					for i := 2; i < len(on); i++ {
						require.Equal(t, c.same, on[i-1] == on[i])
					}
					require.Equal(t, []string{"/root/a: " + c.err}, unclean(t, sup.StopChild(t.Context(), "a")))
				})
			})
		}
	}
}

// A panic is contained by the supervisor that is nearest, also while the one above stops.
func TestPanicInAChildOfANestedSupervisorKeepsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var on, above []string
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			on = append(on, goroutineHere())
			return p.Run(ctx)
		}}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: func(ctx child.Context) error {
			above = append(above, goroutineHere())
			err := inner.Run(ctx)
			if ctx.Err() == nil {
				return errors.Join(err, errBoom)
			}
			return err
		}}}})
		p.endBy(explode)
		p.endBy(explode)
		require.Len(t, above, 1)
		require.Equal(t, []string{on[0], on[0], on[0]}, on)
		require.NotEqual(t, above[0], on[0])
		require.Equal(t, child.Running, state(t, sup, "inner/a"))
	})
}

// A panic in a group: the run that panicked waits for its siblings to stop, so its
// goroutine ends, and the start of the group needs new ones.
func TestPanicUnderEachStrategyLeavesNoGoroutine(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: s, Intensity: strategy.Unlimited(), Children: []child.Spec{
			{Name: "before", Run: idle}, {Name: "a", Run: p.Run}, {Name: "after", Run: idle},
		}})
		for range 3 {
			p.endBy(explode)
			require.NoError(t, sup.Health())
		}
		require.NoError(t, sup.Stop(context.Background()))
		synctest.Wait()
	})
}

// The stack in the error is that of its own panic, also on a goroutine that had others.
func TestStackOfALaterPanicOnTheSameGoroutineIsItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run}}})
		for _, c := range []struct {
			end  func() error
			name string
		}{{explode, "explode"}, {readNil, "readNil"}, {explode, "explode"}} {
			p.endBy(c.end)
			st, _ := sup.Lookup("a")
			var panicked *child.PanicError
			require.ErrorAs(t, st.LastError, &panicked)
			require.True(t, strings.HasPrefix(string(panicked.Stack()), "github.com/coppice-go/coppice/supervisor_test."+c.name+"\n"), "%s", panicked.Stack())
		}
	})
}

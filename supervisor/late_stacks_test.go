package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// silent is a logger for tests that do not look at the log.
var silent = slog.New(slog.DiscardHandler)

// hangsHere is where the children of these tests hang.
//
//go:noinline
func hangsHere(free <-chan struct{}) { <-free }

// heedless returns children that are ready and do not stop before free is closed.
func heedless(n int, free <-chan struct{}) (all []child.Spec) {
	for i := range n {
		all = append(all, child.Spec{Name: fmt.Sprint("c", i), Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			hangsHere(free)
			return nil
		}})
	}
	return all
}

// nested puts children into supervisors, a given number into each.
func nested(each int, all []child.Spec, spec Spec) (supers []child.Spec) {
	for i := 0; i < len(all); i += each {
		spec.Children = all[i : i+each]
		supers = append(supers, child.Spec{Name: fmt.Sprint("s", i), Run: New(spec).Run})
	}
	return supers
}

func dumpsTaken(s *Supervisor) int {
	d := &s.latest().shared.dumps
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taken
}

// A thousand that miss their heartbeat at once are one outage: they share a dump, and
// each is reported with its own stack.
func TestManyMissedHeartbeatsShareADump(t *testing.T) {
	const n = 1000
	for name, spec := range map[string]func([]child.Spec) Spec{
		"in one supervisor": func(all []child.Spec) Spec { return Spec{Strategy: strategy.Independent, Children: all} },
		"in a hundred": func(all []child.Spec) Spec {
			return Spec{Strategy: strategy.Independent, Children: nested(n/100, all, Spec{})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				all := heedless(n, free)
				for i := range all {
					all[i].Heartbeat, all[i].Restart, all[i].StopTimeout = time.Second, child.Temporary, child.AtOnce
				}
				declared := spec(all)
				declared.Logger = silent
				s := New(declared)
				var mu sync.Mutex
				hung, withStack := 0, 0
				cancel := s.Subscribe(func(e Event) {
					mu.Lock()
					defer mu.Unlock()
					hung++
					if strings.Contains(string(e.Stack), "hangsHere") {
						withStack++
					}
				}, EventHung)
				require.NoError(t, s.Start(t.Context()))
				time.Sleep(time.Second)
				synctest.Wait()
				cancel()
				require.Equal(t, n, hung)
				require.Equal(t, n, withStack)
				require.LessOrEqual(t, dumpsTaken(s), 2)
				close(free)
				synctest.Wait()
				require.NoError(t, s.Stop(t.Context()))
			})
		})
	}
}

// Runs that do not stop in time share a dump too, whichever bound they exceed.
func TestManyThatDoNotStopShareADump(t *testing.T) {
	const n = 2000
	for name, spec := range map[string]func([]child.Spec) Spec{
		"each its own": func(all []child.Spec) Spec { return Spec{Strategy: strategy.Independent, Children: all} },
		"the whole": func(all []child.Spec) Spec {
			return Spec{Strategy: strategy.Independent, Children: all, StopTimeout: time.Second}
		},
		"the whole, in order": func(all []child.Spec) Spec { return Spec{Children: all, StopTimeout: time.Second} },
		"nested supervisors, halted": func(all []child.Spec) Spec {
			return Spec{Strategy: strategy.Independent, Children: nested(n/100, all, Spec{}), StopTimeout: time.Second}
		},
		"nested supervisors, each its own": func(all []child.Spec) Spec {
			return Spec{Strategy: strategy.Independent, Children: nested(n/100, all, Spec{Strategy: strategy.Independent, StopTimeout: time.Second})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				declared := spec(heedless(n, free))
				declared.Logger = silent
				s := New(declared)
				require.NoError(t, s.Start(t.Context()))
				began := time.Now()
				var stop *StopError
				require.ErrorAs(t, s.Stop(t.Context()), &stop)
				require.LessOrEqual(t, time.Since(began), child.DefaultStopTimeout)
				require.Len(t, stop.Abandoned, n)
				for _, s := range stop.Abandoned {
					require.Contains(t, string(s.Stack), "hangsHere", s.Path)
				}
				require.LessOrEqual(t, dumpsTaken(s), 2)
				close(free)
			})
		})
	}
}

// A supervisor that only has to hurry abandons no run, so no dump is taken.
func TestHurryingANestedSupervisorTakesNoDump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := child.Spec{Name: "last", StopTimeout: child.Forever, Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			<-ctx.Done()
			time.Sleep(9500 * time.Millisecond)
			return nil
		}}
		inner := New(Spec{Children: []child.Spec{{Name: "first", Run: child.Plain(waits)}, last}})
		s := New(Spec{Logger: silent, Children: []child.Spec{{Name: "inner", Run: inner.Run, StopTimeout: 10 * time.Second}}})
		require.NoError(t, s.Start(t.Context()))
		require.NoError(t, s.StopChild(t.Context(), "inner"))
		require.Zero(t, dumpsTaken(s))
		require.NoError(t, s.Stop(t.Context()))
	})
}

func waits(ctx context.Context) error { <-ctx.Done(); return nil }

// A dump is shared only with runs that were late when it was taken: the stack of a run
// that was cancelled later shows what it did then, not what it did before.
func TestStackShowsWhatTheRunDidWhenItWasLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		run := func(ctx child.Context) error {
			_ = ctx.Ready()
			<-ctx.Done()
			hangsHere(free)
			return nil
		}
		var specs []child.Spec
		for i := range 5 {
			specs = append(specs, child.Spec{Name: fmt.Sprint(i), Run: run, StopTimeout: 50 * time.Millisecond})
		}
		s := New(Spec{Logger: silent, Children: specs})
		require.NoError(t, s.Start(t.Context()))
		var stop *StopError
		require.ErrorAs(t, s.Stop(t.Context()), &stop)
		require.Len(t, stop.Abandoned, 5)
		for _, s := range stop.Abandoned {
			require.Contains(t, string(s.Stack), "hangsHere", s.Path)
		}
		close(free)
	})
}

// After a dump that took long there is none for twenty times as long: the latest serves,
// but not for a run that was not late yet.
func TestDumpsTakeABoundedShareOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(dumps)
		defer d.end()
		first := d.since(time.Now())
		require.Same(t, first, d.since(time.Now()), "no time has passed")
		first.took = time.Second
		d.forget.Stop()
		time.Sleep(20 * time.Second)
		require.Same(t, first, d.since(time.Now()), "too soon")
		time.Sleep(2 * time.Second)
		second := d.since(time.Now())
		require.NotSame(t, first, second)
		require.Equal(t, 2, d.taken)

		r := &run{life: &life{began: second.at.Add(-time.Minute)}}
		second.of = map[uintptr][]byte{addressOf(r): []byte("here")}
		require.Equal(t, "here", string(second.stack(r, time.Minute)))
		require.Nil(t, second.stack(r, time.Minute+1), "it was not late yet")
		require.Nil(t, (*dump)(nil).stack(r, 0))
	})
}

func TestLatestDumpIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(dumps)
		d.since(time.Now())
		time.Sleep(dumpFresh)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		require.Nil(t, d.latest)
	})
}

// An error that wraps itself, or a very wide one, must not keep a run from ending.
func TestHarmlessExaminesABoundedNumberOfErrors(t *testing.T) {
	require.False(t, harmless(&loop{}, nil, nil))
	many := make([]error, 2*mostLooked)
	for i := range many {
		many[i] = context.Canceled
	}
	require.False(t, harmless(errors.Join(many...), nil, nil))
	require.True(t, harmless(errors.Join(many[:mostLooked/2]...), nil, nil))
}

type loop struct{}

func (l *loop) Error() string { return "loop" }
func (l *loop) Unwrap() error { return l }

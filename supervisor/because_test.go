package supervisor

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// A life remembers nothing of children that are gone or have settled, also if the only
// subscriber wants none of the events by which that is seen.
func TestLifeRemembersNoReasonsOfChildrenThatAreGone(t *testing.T) {
	run := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Independent} {
		t.Run(s.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, fail := t.Context(), make(chan struct{})
				sup := New(Spec{Strategy: s, Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{
					{Name: "a", Run: func(ctx child.Context) error {
						if err := ctx.Ready(); err != nil {
							return err
						}
						select {
						case <-fail:
							return context.DeadlineExceeded
						case <-ctx.Done():
							return nil
						}
					}},
				}})
				defer sup.Subscribe(func(Event) {}, EventFailed)()
				require.NoError(t, sup.Start(ctx))
				settled := func() {
					time.Sleep(time.Minute)
					synctest.Wait()
					require.True(t, sup.latest().whys.of.empty())
				}
				settled()
				for _, timeout := range []time.Duration{0, child.AtOnce} {
					job := child.Spec{Name: "job", Run: run, StopTimeout: timeout}
					require.NoError(t, sup.StartChild(ctx, job))
					settled()
					_ = sup.StopChild(ctx, "job")
					settled()
					require.NoError(t, sup.RemoveChild(ctx, "job")) // it is stopped, or gone
					settled()
					require.NoError(t, sup.StartChild(ctx, job))
					_ = sup.RemoveChild(ctx, "job") // it runs
					settled()
					job.Restart = child.Temporary
					require.NoError(t, sup.StartChild(ctx, job))
					settled()
					fail <- struct{}{} // a group restart removes the job
					settled()
					_ = sup.StopChild(ctx, "job")
					settled()
				}
				require.NoError(t, sup.Stop(ctx))
			})
		})
	}
}

// childWhys does what a map does, in any order of calls.
func TestChildWhysAreAMap(t *testing.T) {
	children := make([]*machine.Child, 3)
	for i := range children {
		children[i] = new(machine.Child)
	}
	const steps, depth = 6, 5 // each step sets or forgets one child
	for path := range pow(steps, depth) {
		var w childWhys
		want := map[*machine.Child]why{}
		for i, rest := 0, path; i < depth; i, rest = i+1, rest/steps {
			c := children[rest%steps/2]
			if rest%2 == 0 {
				y := why{event: uint64(i + 1)}
				w.set(c, y)
				want[c] = y
			} else {
				w.forget(c)
				delete(want, c)
			}
			require.Equal(t, len(want) == 0, w.empty())
			for _, c := range children {
				y, found := w.get(c)
				wanted, there := want[c]
				require.Equal(t, there, found)
				require.Equal(t, wanted, y)
			}
		}
	}
}

func pow(n, exponent int) int {
	if exponent == 0 {
		return 1
	}
	return n * pow(n, exponent-1)
}

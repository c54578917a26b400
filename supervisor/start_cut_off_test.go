package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// A start that is cut off says what it waits for, most often a Run that never calls Ready.

// forgets is a Run that forgets to call Ready.
func forgets(ctx child.Context) error { <-ctx.Done(); return nil }

// bringUp returns the error of a start that has ten seconds.
func bringUp(t *testing.T, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := call(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	return err
}

func TestStartThatIsCutOffNamesWhatWasStarting(t *testing.T) {
	deep := func(names ...string) func(child.Context) error {
		spec := supervisor.Spec{Strategy: strategy.Independent}
		for _, name := range names {
			spec.Children = append(spec.Children, child.Spec{Name: name, Run: forgets})
		}
		return supervisor.New(spec).Run
	}
	for name, test := range map[string]struct {
		spec supervisor.Spec
		want string
	}{
		"in order, the one whose turn it is": {supervisor.Spec{Children: []child.Spec{
			{Name: "up", Run: idle}, {Name: "a", Run: slow(time.Second, 0)}, {Name: "b", Run: forgets}, {Name: "c", Run: forgets},
		}}, "/root/b (for 9s)"},
		"waiting for its retry": {supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)},
		}}, "/root/a (waiting to start)"},
		"the leaves": {supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "in", Run: supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "deep", Run: deep("x", "y")}}}).Run},
			{Name: "b", Run: forgets}, {Name: "empty", Run: func(ctx child.Context) error {
				time.Sleep(time.Second)
				return deep("z")(ctx)
			}},
		}}, "/root/in/deep/x (for 10s), /root/in/deep/y (for 10s), /root/b (for 10s), /root/empty/z (for 9s)"},
		"five, and how many more": {supervisor.Spec{Children: []child.Spec{{Name: "in", Run: deep("a", "b", "c", "d", "e", "f", "g")}}},
			"/root/in/a (for 10s), /root/in/b (for 10s), /root/in/c (for 10s), /root/in/d (for 10s), /root/in/e (for 10s) and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := newRoot(test.spec)
				require.EqualError(t, bringUp(t, sup.Start), "/root: context deadline exceeded: still starting: "+test.want)
			})
		})
	}
}

func TestCallsThatAreCutOffNameWhatWasStarting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: 25 * time.Second}
		runs := 0
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error {
				if runs++; runs == 1 {
					return idle(ctx)
				}
				return forgets(ctx)
			}},
			{Name: "deaf", Run: deaf.Run, StopTimeout: time.Minute},
		}})
		require.EqualError(t, bringUp(t, func(ctx context.Context) error {
			return sup.StartChild(ctx, child.Spec{Name: "x", Run: idle}, child.Spec{Name: "y", Run: forgets}, child.Spec{Name: "z", Run: forgets})
		}), "/root/y: context deadline exceeded: still starting: /root/y (for 10s)")
		require.EqualError(t, bringUp(t, func(ctx context.Context) error {
			inner := supervisor.New(supervisor.Spec{Children: named("p", forgets)})
			return sup.StartChild(ctx, child.Spec{Name: "in", Run: inner.Run})
		}), "/root/in: context deadline exceeded: still starting: /root/in/p (for 10s)")
		require.EqualError(t, bringUp(t, func(ctx context.Context) error { return sup.RestartChild(ctx, "a") }),
			"/root/a: context deadline exceeded: still starting: /root/a (for 10s)")
		require.EqualError(t, bringUp(t, func(ctx context.Context) error { return sup.RestartChild(ctx, "deaf") }),
			"/root/deaf: context deadline exceeded", "it was still being stopped")
		require.EqualError(t, bringUp(t, func(ctx context.Context) error { return sup.StopChild(ctx, "deaf") }),
			"/root/deaf: context deadline exceeded", "a stop waits for no start")
	})
}

// The cause of the context is found in it, and so is the child's own timeout.
func TestStartTimeoutOfASupervisorNamesWhatWasStarting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: named("x y", forgets)})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run, StartTimeout: 3 * time.Second}}})
		err := sup.Start(t.Context())
		require.ErrorIs(t, err, child.ErrStartTimeout)
		require.EqualError(t, err, "/root/in: start timeout: still starting: /root/in/x (for 3s)")
	})
}

// A thousand supervisors, each with a child that is starting.
func TestVeryManyThatAreStartingAreNamedInAShortText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := supervisor.Spec{Strategy: strategy.Independent}
		for i := range 1000 {
			inner := supervisor.New(supervisor.Spec{Children: named("x", forgets)})
			spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprint(i), Run: inner.Run})
		}
		sup := newRoot(spec)
		err := bringUp(t, sup.Start)
		require.ErrorContains(t, err, "still starting: /root/0/x (for 10s), /root/1/x (for 10s), ")
		require.ErrorContains(t, err, " and 995 more")
		require.Less(t, len(err.Error()), 300)
		synctest.Wait()
	})
}

// What was started is taken back when ctx ends: all at once, each within its own time,
// however long that is. As long as ctx lives, it is taken back in order.
func TestStartThatIsTakenBackCancelsAllAtOnceWhenItsContextHasEnded(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		specs := []child.Spec{
			{Name: "a", Run: slow(0, 30*time.Second), StopTimeout: child.Forever},
			{Name: "b", Run: slow(0, 2*time.Second)},
			{Name: "c", Run: slow(0, 2*time.Second)},
		}
		late, fails := child.Spec{Name: "d", Run: forgets}, child.Spec{Name: "d", Run: failing}
		for name, test := range map[string]struct {
			call   func(ctx context.Context, sup *supervisor.Supervisor) error
			atOnce bool
		}{
			"StartChild, ctx ended": {func(ctx context.Context, sup *supervisor.Supervisor) error {
				return sup.StartChild(ctx, append(specs, late)...)
			}, true},
			"StartChild, one fails": {func(ctx context.Context, sup *supervisor.Supervisor) error {
				return sup.StartChild(ctx, append(specs, fails)...)
			}, false},
		} {
			t.Run(fmt.Sprint(s, ", ", name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					sup := start(t, supervisor.Spec{Strategy: s})
					recorded := record(t, sup, supervisor.EventStopping)
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					require.Error(t, test.call(ctx, sup))
					took := time.Since(began)
					stopping := since(began, recorded.take())
					switch {
					case test.atOnce:
						require.Equal(t, []string{"/root/d 10s", "/root/c 10s", "/root/b 10s", "/root/a 10s"}, stopping)
						require.Equal(t, 40*time.Second, took)
					case s != strategy.Independent:
						require.Equal(t, []string{"/root/c 0s", "/root/b 2s", "/root/a 4s"}, stopping)
						require.Equal(t, 34*time.Second, took)
					default:
						require.Equal(t, []string{"/root/c 0s", "/root/b 0s", "/root/a 0s"}, stopping)
						require.Equal(t, 30*time.Second, took)
					}
					require.Zero(t, sup.Count(), "nothing stays")
				})
			})
		}
	}
}

// The context may end while the children are being taken back.
func TestStartThatIsTakenBackHurriesWhenItsContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		recorded := record(t, sup, supervisor.EventStopping)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.ErrorIs(t, sup.StartChild(ctx,
			child.Spec{Name: "a", Run: slow(0, 4*time.Second)}, child.Spec{Name: "b", Run: slow(0, 4*time.Second)},
			child.Spec{Name: "c", Run: slow(0, 2*time.Second)}, child.Spec{Name: "d", Run: failing},
		), errBoom)
		require.Equal(t, []string{"/root/c 0s", "/root/b 2s", "/root/a 3s"}, since(began, recorded.take()))
		require.Equal(t, 7*time.Second, time.Since(began))
	})
}

func TestStartOfATreeThatIsTakenBackCancelsAllAtOnceWhenItsContextHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: slow(0, 20*time.Second), StopTimeout: child.Forever}, {Name: "y", Run: slow(0, time.Second)}}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, 30*time.Second), StopTimeout: child.Forever}, {Name: "in", Run: inner.Run}, {Name: "b", Run: forgets},
		}})
		recorded := record(t, sup, supervisor.EventStopping)
		began := time.Now()
		bringUp(t, sup.Start)
		require.Equal(t, 40*time.Second, time.Since(began))
		require.ElementsMatch(t, []string{"/root/a 10s", "/root/in 10s", "/root/in/x 10s", "/root/in/y 10s", "/root/b 10s"}, since(began, recorded.take()))
	})
}

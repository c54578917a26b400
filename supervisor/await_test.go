package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// awaiting calls Await in the background. The channel has the answer.
func awaiting(t *testing.T, sup *supervisor.Supervisor, path string, states ...child.State) <-chan error {
	done := make(chan error, 1)
	go func() { done <- sup.Await(t.Context(), path, states...) }()
	synctest.Wait()
	return done
}

// answer returns the answer of Await, which must have come.
func answer(t *testing.T, done <-chan error) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		return err
	default:
		t.Fatal("Await waits")
		return nil
	}
}

func waits(t *testing.T, done <-chan error) {
	t.Helper()
	synctest.Wait()
	require.Empty(t, done, "Await waits")
}

func TestAwaitAnswersAtOnceWhatIsSoAlready(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "done", Run: child.Task(noWork)},
			{Name: "declined", Run: func(child.Context) error { return child.ErrIgnore }},
		}})
		for _, path := range []string{"a", "/shop/a", "done", "declined"} {
			require.NoError(t, answer(t, awaiting(t, sup, path)), path)
		}
		require.NoError(t, answer(t, awaiting(t, sup, "a", child.Done, child.Running)))
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.NoError(t, answer(t, awaiting(t, sup, "a", child.Stopped)))
	})
}

func TestAwaitFollowsAChildOverItsStates(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: child.Constant(time.Second)}, {Name: "b", Run: idle},
		}})
		waiting, healthy := awaiting(t, sup, "a", child.Waiting), awaiting(t, sup, "a")
		require.NoError(t, answer(t, healthy))
		waits(t, waiting)
		p.end(errBoom)
		require.NoError(t, answer(t, waiting))
		healthy = awaiting(t, sup, "a")
		waits(t, healthy)
		time.Sleep(time.Second)
		require.NoError(t, answer(t, healthy))
	})
}

func TestAwaitWaitsForTheEndOfUnready(t *testing.T) {
	bubble(t, func(t *testing.T) {
		again := make(chan struct{})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			ctx.Unready(errBoom)
			<-again
			return idle(ctx)
		}}}})
		done := awaiting(t, sup, "a")
		require.NoError(t, answer(t, awaiting(t, sup, "a", child.Running)), "Unready is no state")
		waits(t, done)
		close(again)
		require.NoError(t, answer(t, done))
	})
}

func TestAwaitFollowsAChildOverRestartsOfItsSupervisors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Intensity: none, Children: []child.Spec{{Name: "p", Run: p.Run}}})
		outer := supervisor.New(supervisor.Spec{Backoff: child.Constant(time.Minute), Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "outer", Run: outer.Run}}})
		p.end(errBoom) // inner gives up, and is restarted after a minute
		var all []<-chan error
		for from, path := range map[*supervisor.Supervisor]string{sup: "outer/inner/p", outer: "inner/p", inner: "p"} {
			all = append(all, awaiting(t, from, path), awaiting(t, from, "/root/outer/inner/p"))
		}
		for _, done := range all {
			waits(t, done)
		}
		time.Sleep(time.Minute)
		for _, done := range all {
			require.NoError(t, answer(t, done))
		}
	})
}

func TestAwaitReturnsAnErrorIfItCanNeverBe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, gives := newPuppet(), newPuppet()
		doomed := supervisor.New(supervisor.Spec{Intensity: none, Children: []child.Spec{{Name: "x", Run: gives.Run}}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run, Restart: child.Transient}, {Name: "b", Run: slow(0, time.Second)},
			{Name: "doomed", Run: doomed.Run, Restart: child.Transient},
		}})
		require.EqualError(t, sup.Await(t.Context(), "a"), "/root/a: not running", "it was not started")
		require.NoError(t, sup.Start(t.Context()))
		for _, path := range []string{"x", "x/y", "a/y", "", "/", "/other/a", "/root"} {
			done := awaiting(t, sup, path)
			if path == "a/y" { // a supervisor may run in a some time
				waits(t, done)
				continue
			}
			require.ErrorIs(t, answer(t, done), supervisor.ErrNotFound, path)
		}
		below := awaiting(t, sup, "doomed/x", child.Stopped)
		gives.end(errBoom)
		err := answer(t, below)
		require.ErrorIs(t, err, child.ErrDone)
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, err, &gaveUp)
		require.ErrorIs(t, answer(t, awaiting(t, sup, "doomed", child.Running)), child.ErrDone)

		stopped, waiting := awaiting(t, sup, "a", child.Done), awaiting(t, sup, "a", child.Waiting)
		p.end(nil)
		require.NoError(t, answer(t, stopped))
		require.EqualError(t, answer(t, waiting), "/root/a: done")

		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		waiting = awaiting(t, sup, "a", child.Waiting)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		waits(t, waiting)
		require.NoError(t, sup.RemoveChild(t.Context(), "a"))
		require.EqualError(t, answer(t, waiting), "/root/a: no such child")

		waiting, stopped = awaiting(t, sup, "b", child.Waiting), awaiting(t, sup, "b", child.Stopped)
		go func() { _ = sup.Stop(context.Background()) }()
		waits(t, waiting)
		waits(t, stopped)
		time.Sleep(time.Second)
		require.EqualError(t, answer(t, waiting), "/root/b: not running")
		require.NoError(t, answer(t, stopped))
		require.EqualError(t, sup.Await(t.Context(), "b"), "/root/b: not running")
	})
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: versions("a")})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("late"))
		defer cancel()
		require.EqualError(t, sup.Await(ctx, "a", child.Done), "/root/a: late")
		require.NoError(t, sup.Await(ctx, "a"), "what is so is so")
		var none context.Context // a nil literal would be reported by linters
		require.EqualError(t, sup.Await(none, "a"), "coppice: nil context")
	})
}

// Many callers wait for many children, and each hears of its own.
func TestManyAwait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 1000
		var specs []child.Spec
		puppets := map[string]*puppet{}
		for i := range n {
			name := fmt.Sprint("c", i)
			puppets[name] = newPuppet()
			specs = append(specs, child.Spec{Name: name, Run: puppets[name].Run, Restart: child.Temporary})
		}
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent})
		require.NoError(t, sup.StartChild(t.Context(), specs...))
		ends := make(chan error, n)
		for name := range puppets {
			go func() { ends <- sup.Await(t.Context(), name, child.Done) }()
		}
		synctest.Wait()
		require.Empty(t, ends)
		for _, p := range puppets {
			p.End(t, nil)
		}
		for range n {
			require.ErrorIs(t, <-ends, supervisor.ErrNotFound, "it was removed at once")
		}
	})
}

// Whatever happens to a tree, an Await is answered when the state that it waits for stays.
func TestAwaitMissesNoStateThatStays(t *testing.T) {
	for seed := range 40 {
		bubble(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			p := newPuppet()
			inner := supervisor.New(supervisor.Spec{Intensity: none, Children: []child.Spec{{Name: "p", Run: p.Run}, {Name: "q", Run: idle}}})
			sup := start(t, supervisor.Spec{Strategy: allStrategies[seed%4], Intensity: strategy.Unlimited(), Children: []child.Spec{
				{Name: "inner", Run: inner.Run}, {Name: "z", Run: idle},
			}})
			for range 20 {
				healthy := awaiting(t, sup, "inner/p")
				stopped := awaiting(t, sup, "inner/q", child.Stopped)
				switch r.IntN(4) {
				case 0:
					p.end(errBoom)
				case 1:
					_ = sup.RestartChild(t.Context(), "inner")
				case 2:
					_ = sup.StopChild(t.Context(), "inner/q")
					require.NoError(t, answer(t, stopped))
					_ = sup.RestartChild(t.Context(), "inner/q")
				case 3:
					_ = sup.RestartChild(t.Context(), "inner/p", "z")
				}
				require.NoError(t, answer(t, healthy))
			}
		})
	}
}

package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestStartChildReturnsWhenTheChildIsReady(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "a", Run: idle}}})
		began := time.Now()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: slow(time.Minute, 0)}))
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, []string{"a", "b"}, names(sup.Children(child.Running)))
		require.NoError(t, sup.StartChild(t.Context()), "none is fine")
	})
}

func TestStartChildOfSeveralStartsThemInOrderOrSideBySide(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s})
		began := time.Now()
		require.NoError(t, sup.StartChild(t.Context(),
			child.Spec{Name: "a", Run: slow(3*time.Second, 0)},
			child.Spec{Name: "b", Run: slow(time.Second, 0)},
			child.Spec{Name: "c", Run: slow(2*time.Second, 0)},
		))
		if concurrent(s) {
			require.Equal(t, 3*time.Second, time.Since(began))
		} else {
			require.Equal(t, 6*time.Second, time.Since(began))
		}
		require.Equal(t, []string{"a", "b", "c"}, names(sup.Children(child.Running)))
	})
}

func TestStartChildThatFailsKeepsNoneOfItsChildren(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "before", Run: idle}}})
		var causes []error
		var mu sync.Mutex
		noted := func(ctx child.Context) error {
			err := slow(0, time.Second)(ctx)
			mu.Lock()
			defer mu.Unlock()
			causes = append(causes, context.Cause(ctx))
			return err
		}
		failsLate := func(ctx child.Context) error {
			time.Sleep(time.Minute)
			return errBoom
		}
		began := time.Now()
		err := sup.StartChild(t.Context(),
			child.Spec{Name: "a", Run: noted},
			child.Spec{Name: "b", Run: noted, Restart: child.Transient},
			child.Spec{Name: "c", Run: failsLate},
			child.Spec{Name: "d", Run: idle},
		)
		require.EqualError(t, err, "/root/c: boom")
		require.Equal(t, []string{"before"}, names(sup.Children()), "they are gone when it returns")
		if concurrent(s) {
			require.Equal(t, time.Minute+time.Second, time.Since(began))
		} else {
			require.Equal(t, time.Minute+2*time.Second, time.Since(began), "undone in reverse order")
		}
		require.Equal(t, []error{child.ErrRemoved, child.ErrRemoved}, causes)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "c", Run: idle}), "the name is free")
	})
}

func TestStartChildWhoseContextEndsIsUndone(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s})
		for name, run := range map[string]child.Spec{
			"/root/b (for 1m0s)":         {Run: slow(time.Hour, 0)},
			"/root/b (waiting to start)": {Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)},
		} {
			run.Name = "b"
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errBoom)
			defer cancel()
			err := sup.StartChild(ctx, child.Spec{Name: "a", Run: idle}, run)
			require.EqualError(t, err, "/root/b: boom: still starting: "+name)
			require.ErrorIs(t, err, errBoom)
			require.Empty(t, sup.Children(), name)
		}
	})
}

func TestStartChildWithAnEndedContextRunsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBoom)
		require.ErrorIs(t, sup.StartChild(ctx, child.Spec{Name: "a", Run: mustNotRun}), errBoom)
		require.Empty(t, sup.Children())
	})
}

func TestUndoneStartThatIsStuckIsReported(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		deaf, mute := &supervisortest.Child{StopAfter: child.Forever}, &supervisortest.Child{StopAfter: child.Forever}
		sup := startLoosely(t, supervisor.Spec{Strategy: s})
		err := sup.StartChild(t.Context(),
			child.Spec{Name: "a", Run: deaf.Run},
			child.Spec{Name: "b", Run: mute.Run},
			child.Spec{Name: "c", Run: failing},
		)
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []string{"/root/b 5s", "/root/a 5s"}, left(t, err), "all in one report")
		require.Empty(t, sup.Children())
		deaf.Release()
		mute.Release()
	})
}

func TestStartChildRefusesANameThatIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "runs", Run: idle}, {Name: "stopped", Run: idle},
			{Name: "waits", Run: p.Run, Backoff: child.Constant(time.Hour)},
			{Name: "done", Run: child.Task(noWork)},
		}})
		require.NoError(t, sup.StopChild(t.Context(), "stopped"))
		p.end(errBoom)
		for _, name := range []string{"runs", "stopped", "waits", "done"} {
			err := sup.StartChild(t.Context(), child.Spec{Name: "new", Run: idle}, child.Spec{Name: name, Run: mustNotRun})
			require.ErrorIs(t, err, supervisor.ErrDuplicate, name)
			require.EqualError(t, err, "/root/"+name+": name already in use")
			require.Len(t, sup.Children(), 4, "the new one is undone")
		}
	})
}

func TestFaultsOfStartChildsSpecsAreListedAndNoneRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{})
		start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		err := inner.StartChild(t.Context(),
			child.Spec{Name: "a", Run: mustNotRun},
			child.Spec{Name: "a", Run: mustNotRun},
			child.Spec{Name: "b"},
			child.Spec{Name: "s", Run: mustNotRun, Restart: child.Temporary, Significant: true},
		)
		require.EqualError(t, err, `/shop/inner/a: Name: already in use by another child
/shop/inner/b: Run: nil
/shop/inner/s: Significant: the supervisor's AutoShutdown is Never; set it to AnySignificant or AllSignificant`)
		require.Empty(t, inner.Children())
	})
}

func TestStartChildBeyondMaxChildrenIsRefused(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, MaxChildren: 3, Children: []child.Spec{{Name: "a", Run: idle}}})
		spec := func(name string) child.Spec { return child.Spec{Name: name, Run: idle} }
		err := sup.StartChild(t.Context(), spec("b"), spec("c"), spec("d"))
		require.ErrorIs(t, err, supervisor.ErrMaxChildren)
		require.EqualError(t, err, "/root/d: too many children")
		require.Equal(t, []string{"a"}, names(sup.Children()))
		require.NoError(t, sup.StartChild(t.Context(), spec("b"), spec("c")))
		require.NoError(t, sup.RemoveChild(t.Context(), "b"))
		require.NoError(t, sup.StartChild(t.Context(), spec("d")), "there is room again")
		require.ErrorIs(t, sup.StartChild(t.Context(), spec("e")), supervisor.ErrMaxChildren)
	})
}

func TestStartChildOfOneThatDeclines(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s})
		decline := func(child.Context) error { return child.ErrIgnore }
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: decline}))
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: decline, Restart: child.Temporary}))
		if s == strategy.Independent {
			require.Empty(t, sup.Children())
		} else {
			require.Equal(t, []string{"a"}, names(sup.Children(child.Stopped)))
		}
	})
}

func TestStartChildOfATaskWaitsForTheWork(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s})
		work := func(err error) func(child.Context) error {
			return child.Task(func(context.Context) error {
				time.Sleep(time.Minute)
				return err
			})
		}
		began := time.Now()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: work(nil), Restart: child.Temporary}))
		require.Equal(t, time.Minute, time.Since(began))
		require.ErrorIs(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: work(errBoom)}), errBoom)
		synctest.Wait()
		require.Empty(t, sup.Children())
	})
}

func TestStartChildOfASupervisorThatDoesNotRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := child.Spec{Name: "b", Run: mustNotRun}
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: slow(0, time.Second)}}})
		require.ErrorIs(t, sup.StartChild(t.Context(), spec), supervisor.ErrNotRunning)
		require.NoError(t, sup.Start(t.Context()))
		go func() { _ = sup.Stop(t.Context()) }()
		synctest.Wait()
		err := sup.StartChild(t.Context(), spec)
		require.ErrorIs(t, err, supervisor.ErrNotRunning, "while it stops")
		require.EqualError(t, err, "/root/b: not running")
		<-sup.Done()
		require.ErrorIs(t, sup.StartChild(t.Context(), spec), supervisor.ErrNotRunning)
	})
}

func TestStartChildWhileStartingWaitsItsTurn(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: slow(time.Minute, 0)}, {Name: "b", Run: slow(time.Minute, 0)},
		}})
		began := time.Now()
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "c", Run: slow(time.Second, 0)}))
		if concurrent(s) {
			require.Equal(t, time.Second, time.Since(began))
		} else {
			require.Equal(t, 2*time.Minute+time.Second, time.Since(began))
		}
		require.NoError(t, <-started)
		require.Equal(t, []string{"a", "b", "c"}, names(sup.Children(child.Running)))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestFailedStartChildWhileStartingDoesNotFailTheStart(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "a", Run: slow(time.Minute, 0)}}})
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		require.ErrorIs(t, sup.StartChild(t.Context(), child.Spec{Name: "c", Run: failing}), errBoom)
		require.NoError(t, <-started)
		require.Equal(t, []string{"a"}, names(sup.Children()))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestStopAnswersAStartChildThatWaits(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "a", Run: slow(0, time.Second)}}})
		answers := make(chan error, 2)
		go func() { answers <- sup.StartChild(t.Context(), child.Spec{Name: "b", Run: slow(time.Hour, 0)}) }()
		go func() {
			answers <- sup.StartChild(t.Context(), child.Spec{Name: "c", Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)})
		}()
		synctest.Wait()
		require.NoError(t, sup.Stop(t.Context()))
		require.ErrorIs(t, <-answers, supervisor.ErrNotRunning)
		require.ErrorIs(t, <-answers, supervisor.ErrNotRunning)
	})
}

func TestStartChildFromASibling(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		early, late, self := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			sup, _ := supervisor.FromContext(ctx)
			derived, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			early <- sup.StartChild(derived, child.Spec{Name: "b", Run: slow(time.Second, 0)})
			if err := ctx.Ready(); err != nil {
				return err
			}
			late <- sup.StartChild(derived, child.Spec{Name: "c", Run: slow(time.Second, 0)})
			self <- sup.StartChild(ctx, child.Spec{Name: "a", Run: mustNotRun})
			<-ctx.Done()
			return nil
		}}}})
		err := <-early
		if concurrent(s) {
			require.NoError(t, err, "there no call waits for it")
		} else {
			require.ErrorIs(t, err, child.ErrNotReady)
			require.EqualError(t, err, "/root/b: called from /root/a, which is not ready: the call would wait for its caller")
			_, found := sup.Lookup("b")
			require.False(t, found)
		}
		require.NoError(t, <-late)
		require.Equal(t, child.Running, lookup(t, sup, "c").State)
		require.ErrorIs(t, <-self, supervisor.ErrDuplicate)
	})
}

func TestStartChildFromBelowAChildThatIsNotReadyIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sup *supervisor.Supervisor
		answer := make(chan error, 2)
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				answer <- sup.StartChild(ctx, child.Spec{Name: "b", Run: mustNotRun})
				answer <- sup.RestartChild(ctx, "a")
				<-ctx.Done()
				return nil
			}},
			{Name: "y", Run: slow(time.Minute, 0)},
		}})
		sup = newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}, {Name: "inner", Run: inner.Run}}})
		began := time.Now()
		go func() { _ = sup.Start(t.Context()) }()
		require.ErrorIs(t, <-answer, child.ErrNotReady)
		require.ErrorIs(t, <-answer, child.ErrNotReady)
		require.Zero(t, time.Since(began), "at once")
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestChildMayStartChildrenOfTheSupervisorItRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run},
			{Name: "feeds", Run: func(ctx child.Context) error {
				for i := range 3 { // though it is not ready itself
					if err := inner.StartChild(ctx, child.Spec{Name: fmt.Sprint(i), Run: idle}); err != nil {
						return err
					}
				}
				return idle(ctx)
			}},
		}})
		require.Equal(t, child.Running, lookup(t, sup, "inner/2").State)
	})
}

func TestStartChildFromASubscriber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Restart: child.Temporary}}})
		answer := make(chan error, 1)
		defer sup.Subscribe(func(e supervisor.Event) {
			answer <- sup.StartChild(t.Context(), child.Spec{Name: "a", Run: idle})
		}, supervisor.EventRemoved)()
		p.end(nil)
		require.NoError(t, <-answer)
		require.Equal(t, child.Running, lookup(t, sup, "a").State)
	})
}

func TestThousandIndependentChildrenAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent})
		specs := make([]child.Spec, 1000)
		for i := range specs {
			specs[i] = child.Spec{Name: fmt.Sprint("job-", i), Run: slow(time.Duration(i)*time.Millisecond, time.Second)}
		}
		began := time.Now()
		require.NoError(t, sup.StartChild(t.Context(), specs...))
		require.Equal(t, 999*time.Millisecond, time.Since(began))
		require.Equal(t, supervisor.Counts{Specs: 1000, Active: 1000, Workers: 1000}, sup.Count())

		specs = append(specs[:0:0], specs...)
		for i := range specs {
			specs[i].Name = fmt.Sprint("more-", i)
		}
		specs[999].Run = failing
		require.EqualError(t, sup.StartChild(t.Context(), specs...), "/root/more-999: boom")
		require.Equal(t, 1000, sup.Count().Specs)

		began = time.Now()
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestStartChildFromManyGoroutines(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s})
		var all sync.WaitGroup
		answers := make(chan error, 100)
		for i := range 100 {
			all.Go(func() {
				answers <- sup.StartChild(t.Context(), child.Spec{Name: fmt.Sprint(i % 10), Run: idle})
			})
		}
		all.Wait()
		close(answers)
		started := 0
		for err := range answers {
			if err == nil {
				started++
			} else if !errors.Is(err, supervisor.ErrDuplicate) {
				t.Error(err)
			}
		}
		require.Equal(t, 10, started)
		require.Equal(t, 10, sup.Count().Active)
	})
}

func TestAddedChildIsRestartedAndForgottenLikeAnyOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, q := newPuppet(), newPuppet()
		sup := start(t, supervisor.Spec{})
		require.NoError(t, sup.StartChild(t.Context(),
			child.Spec{Name: "p", Run: p.Run}, child.Spec{Name: "q", Run: q.Run, Restart: child.Temporary}))
		p.end(errBoom)
		q.end(errBoom)
		require.Equal(t, 1, lookup(t, sup, "p").Restarts)
		require.Len(t, sup.Children(), 1)
		require.NoError(t, sup.Health())
	})
}

func TestRetryStartOfAnAddedChildKeepsItsCallerWaiting(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "a", Run: idle}}})
		began := time.Now()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{
			Name: "db", Run: failsFirst(3), RetryStart: true, Backoff: child.Constant(time.Minute),
		}))
		require.Equal(t, 3*time.Minute, time.Since(began))

		began = time.Now()
		err := sup.StartChild(t.Context(), child.Spec{Name: "x", Run: failing, RetryStart: true})
		require.ErrorIs(t, err, errBoom, "the supervisor gives up over it")
		require.Zero(t, time.Since(began))
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, sup.Wait(), &gaveUp)
	})
}

// A child that was added while its group went down, and is held back before its first run,
// waits, and has no run.
func TestStartThatIsHeldBackIsNamedWhenItsContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: child.Constant(24 * time.Hour)},
			{Name: "z", Run: slow(0, time.Second)},
		}})
		p.end(errBoom)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		failed := make(chan error)
		go func() { failed <- sup.StartChild(ctx, child.Spec{Name: "c", Run: idle}) }()
		synctest.Wait()
		sup.Suspend(t.Context())
		require.EqualError(t, <-failed, "/root/c: context deadline exceeded: still starting: /root/c (waiting to start)")
	})
}

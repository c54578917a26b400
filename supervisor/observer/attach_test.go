package observer_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// last returns the number of the latest event that an observer has.
func last(t *testing.T, o *observer.Observer) uint64 {
	t.Helper()
	synctest.Wait()
	return get[view.Events](t, o, "/events.json").Ring.Last
}

func TestTheRestartOfWhatServesThePageLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var latest atomic.Pointer[observer.Observer]
		var crash atomic.Bool
		debug := func(ctx child.Context) error {
			latest.Store(observer.New(ctx, observer.Spec{Linger: time.Hour}))
			if err := ctx.Ready(); err != nil {
				return err
			}
			if crash.CompareAndSwap(true, false) {
				return errors.New("crash")
			}
			<-ctx.Done()
			return nil
		}
		root := start(t, supervisor.Spec{Backoff: child.Constant(30 * time.Minute), Children: []child.Spec{{Name: "debug", Run: debug}, {Name: "a", Run: idle}}})
		before := last(t, latest.Load())
		require.NotZero(t, before)
		old := latest.Load()
		crash.Store(true)
		require.NoError(t, root.RestartChild(t.Context(), "debug"))
		time.Sleep(time.Minute)
		require.NoError(t, root.RestartChild(t.Context(), "a"), "while nobody observes")
		seen := last(t, old)
		time.Sleep(30 * time.Minute)
		require.NotSame(t, old, latest.Load())
		now := get[view.Events](t, latest.Load(), "/events.json?path=/shop/a&kind=ready&fold=0")
		require.Len(t, now.Events, 2)
		require.Greater(t, now.Ring.Last, seen)
		require.Zero(t, now.Ring.Lost)
		require.Equal(t, last(t, old), last(t, latest.Load()), "they share what is remembered")
	})
}

func TestTheSubscriptionEndsWhenNobodyHasObservedForAWhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		ctx, cancel := context.WithCancel(t.Context())
		o := observer.New(ctx, observer.Spec{Root: root, Linger: time.Minute})
		second, cancelSecond := context.WithCancel(t.Context())
		observer.New(second, observer.Spec{Root: root, Linger: time.Second})
		restart := func() { require.NoError(t, root.RestartChild(t.Context(), "a")) }
		cancel()
		time.Sleep(time.Hour)
		restart()
		counted := last(t, o)
		require.NotZero(t, counted, "one is still there")
		cancelSecond()
		time.Sleep(time.Minute - time.Second)
		restart()
		require.Greater(t, last(t, o), counted, "the longest Linger counts")
		time.Sleep(2 * time.Second)
		counted = last(t, o)
		restart()
		require.Equal(t, counted, last(t, o))
		again, cancelAgain := context.WithCancel(t.Context())
		defer cancelAgain()
		observer.New(again, observer.Spec{Root: root})
		restart()
		require.Greater(t, last(t, o), counted)
	})
}

func TestNothingIsLeftOfATreeThatNobodyRefersTo(t *testing.T) {
	defer goleak.VerifyNone(t)
	var gone weak.Pointer[supervisor.Supervisor]
	func() {
		root := declare(supervisor.Spec{Children: []child.Spec{{Name: "debug", Run: func(ctx child.Context) error {
			observer.New(ctx, observer.Spec{Linger: time.Hour})
			return idle(ctx)
		}}}})
		require.NoError(t, root.Start(context.Background()))
		require.NoError(t, root.Stop(context.Background()))
		gone = weak.Make(root)
	}()
	require.Eventually(t, func() bool { runtime.GC(); return gone.Value() == nil }, 10*time.Second, time.Millisecond)
}

func TestTwoTreesAreRememberedApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := start(t, supervisor.Spec{Name: "a"}), start(t, supervisor.Spec{Name: "b", Children: []child.Spec{{Name: "x", Run: idle}}})
		oa, ob := observe(t, a, observer.Spec{}), observe(t, b, observer.Spec{})
		require.NoError(t, b.RestartChild(t.Context(), "x"))
		require.Zero(t, last(t, oa))
		require.NotZero(t, last(t, ob))
	})
}

func TestAnObserverOfANestedSupervisorShowsItsPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: inner.Run}, {Name: "b", Run: idle}}})
		o := observe(t, inner, observer.Spec{Act: anybody})
		v := get[view.Tree](t, o, "/tree.json")
		require.Equal(t, "/shop/jobs", v.Tree.Path)
		require.Len(t, v.Tree.Children, 1)
		require.Equal(t, 404, do(o, local("GET", "/child?path=/shop/b", "")).Code)
		require.Equal(t, 404, post(o, view.Act{Path: "/shop/b", Action: view.Stop, Run: 0}).Code, "and permits nothing outside of it")
		st, _ := root.Lookup("b")
		require.Equal(t, child.Running, st.State)
	})
}

// A hostile error does something each time it is asked for its text.
type hostile func()

func (e hostile) Error() string { e(); return "hostile" }

func TestAReaderMissesNothingThatHappenedBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{})
		for i := range 3 {
			require.NoError(t, root.RestartChild(t.Context(), "a"))
			began := time.Now()
			v := get[view.Events](t, o, "/events.json?path=/shop/a&kind=ready&fold=0")
			require.Len(t, v.Events, i+1)
			require.Equal(t, began, time.Now())
		}
	})
}

func TestAnErrorThatHangsDelaysAReaderForAMoment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Restart: child.Temporary, Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			ctx.OnError(hostile(func() { <-free }))
			return idle(ctx)
		}}}})
		o := observe(t, root, observer.Spec{})
		require.NoError(t, root.RestartChild(t.Context(), "a"))
		synctest.Wait() // it is ready, but may not have reported its error yet
		began := time.Now()
		get[view.Events](t, o, "/events.json")
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		close(free)
		require.NotEmpty(t, get[view.Events](t, o, "/events.json?kind=error").Events)
	})
}

func TestAnErrorThatEndsItsGoroutineHidesNoOtherEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			for range 3 {
				ctx.OnError(hostile(runtime.Goexit))
				ctx.OnError(hostile(func() { panic("hostile") }))
				ctx.OnError(errors.New("good"))
			}
			return idle(ctx)
		}}}})
		o := observe(t, root, observer.Spec{})
		require.NoError(t, root.RestartChild(t.Context(), "a"))
		synctest.Wait()
		good := 0
		for _, e := range get[view.Events](t, o, "/events.json?kind=error&fold=0").Events {
			if e.Err == "good" {
				good++
			}
		}
		require.Equal(t, 3, good)
	})
}

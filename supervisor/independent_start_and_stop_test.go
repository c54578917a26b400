package supervisor_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// These supervisors have enough Independent children to be started and stopped in
// batches. What happens between two batches depends on which goroutine gets the lock
// first, so what is asserted here holds in any order.

const manyChildren = 2000

// manyOf returns a spec with many independent children. The Run of the child with the given
// index runs call before it is ready.
func manyOf(at int, call func(ctx child.Context) error) supervisor.Spec {
	spec := supervisor.Spec{Strategy: strategy.Independent, Logger: quiet}
	for i := range manyChildren {
		run := idle
		if i == at {
			run = func(ctx child.Context) error {
				if err := call(ctx); err != nil {
					return err
				}
				return idle(ctx)
			}
		}
		spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprintf("c%04d", i), Run: run})
	}
	return spec
}

// newMany makes a supervisor of that spec. Its forty subscribers make the start take
// a while, so that a call can come in between.
func newMany(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	sup := supervisor.New(spec)
	for range 40 {
		t.Cleanup(sup.Subscribe(func(supervisor.Event) {}, supervisor.EventStarting))
	}
	return sup
}

// startMany starts such a supervisor, and stops it when the test ends.
func startMany(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	sup := newMany(t, spec)
	require.NoError(t, sup.Start(t.Context()))
	t.Cleanup(func() { _ = sup.Stop(context.Background()) })
	return sup
}

// inEachBatch runs f for a child in the first, a middle and the last batch.
func inEachBatch(t *testing.T, f func(t *testing.T, at int)) {
	for _, at := range []int{0, 500, manyChildren - 1} {
		t.Run(fmt.Sprint("at ", at), func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, at) })
		})
	}
}

func TestIndependentChildrenStartAndStopFromTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const size = 1000 // as many events as wait for a subscriber
		spec := manyOf(-1, nil)
		spec.Children = spec.Children[:size]
		sup := supervisor.New(spec)
		var recorded [2][]supervisor.Event // of each kind by itself: of all together some would be lost
		for i, kind := range []supervisor.EventKind{supervisor.EventStarting, supervisor.EventStopping} {
			t.Cleanup(sup.Subscribe(func(e supervisor.Event) { recorded[i] = append(recorded[i], e) }, kind))
		}
		var last supervisor.Event
		t.Cleanup(sup.Subscribe(func(e supervisor.Event) {
			if e.Seq != last.Seq+1+e.Lost || e.Time.Before(last.Time) {
				t.Errorf("%d at %v after %d at %v", e.Seq, e.Time, last.Seq, last.Time)
			}
			last = e
		}))
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, supervisor.Counts{Specs: size, Active: size, Workers: size}, sup.Count())
		require.Len(t, sup.Children(child.Running), size)
		require.NoError(t, sup.Stop(t.Context()))
		require.Zero(t, sup.Count())
		synctest.Wait()
		for _, events := range recorded {
			var paths []string
			for _, e := range events {
				require.Zero(t, e.Lost)
				paths = append(paths, e.Path)
			}
			require.Len(t, paths, size)
			require.True(t, slices.IsSorted(paths))
		}
	})
}

func TestIndependentChildrenAreStoppedWhileTheyStart(t *testing.T) {
	inEachBatch(t, func(t *testing.T, at int) {
		sup := new(atomic.Pointer[supervisor.Supervisor])
		var alive atomic.Int32
		spec := manyOf(at, func(ctx child.Context) error { return sup.Load().Stop(ctx) })
		spec.Around = func(ctx child.Context, run func(child.Context) error) error {
			alive.Add(1)
			defer alive.Add(-1)
			return run(ctx)
		}
		sup.Store(newMany(t, spec))
		require.ErrorIs(t, sup.Load().Start(t.Context()), child.ErrStopped)
		require.Zero(t, alive.Load())
		require.Zero(t, sup.Load().Count().Active)
		require.NoError(t, sup.Load().Stop(t.Context()))
	})
}

func TestIndependentChildrenStopWhenOneOfThemCannotStart(t *testing.T) {
	inEachBatch(t, func(t *testing.T, at int) {
		sup := newMany(t, manyOf(at, func(child.Context) error { return errBoom }))
		err := sup.Start(t.Context())
		require.ErrorIs(t, err, errBoom)
		require.EqualError(t, err, fmt.Sprintf("/root/c%04d: boom", at))
		require.Zero(t, sup.Count().Active)
		require.Error(t, sup.Start(t.Context()), "and when it is started again")
	})
}

func TestChildAddedWhileIndependentChildrenStartComesAfterThem(t *testing.T) {
	inEachBatch(t, func(t *testing.T, at int) {
		added := make(chan error, 1)
		sup := startMany(t, manyOf(at, func(ctx child.Context) error {
			sup, _ := supervisor.FromContext(ctx)
			added <- sup.StartChild(ctx, child.Spec{Name: "x", Run: idle}, child.Spec{Name: "y", Run: idle})
			return nil
		}))
		require.NoError(t, <-added)
		all := names(sup.Children(child.Running))
		require.Len(t, all, manyChildren+2)
		require.Equal(t, []string{"x", "y"}, all[manyChildren:])
	})
}

func TestIndependentSupervisorSuspendedWhileItStartsContinuesAfterResume(t *testing.T) {
	inEachBatch(t, func(t *testing.T, at int) {
		sup := newMany(t, manyOf(at, func(ctx child.Context) error {
			sup, _ := supervisor.FromContext(ctx)
			sup.Suspend(t.Context())
			return nil
		}))
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		before := len(sup.Children(child.Running))
		require.Equal(t, before, sup.Count().Active)
		time.Sleep(time.Minute)
		t.Log(before, "had been started")
		require.Len(t, sup.Children(child.Running), before, "nothing starts")
		if before < manyChildren {
			require.Empty(t, started)
			require.Error(t, sup.Health())
		}
		sup.Resume(t.Context())
		require.NoError(t, <-started)
		require.Len(t, sup.Children(child.Running), manyChildren)
		require.NoError(t, sup.Health())
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestIndependentSupervisorSuspendedWhileItStartsCanBeStopped(t *testing.T) {
	inEachBatch(t, func(t *testing.T, at int) {
		sup := newMany(t, manyOf(at, func(ctx child.Context) error {
			sup, _ := supervisor.FromContext(ctx)
			sup.Suspend(t.Context())
			return nil
		}))
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		require.NoError(t, sup.Stop(t.Context()))
		if err := <-started; err != nil { // else all had been started
			require.ErrorIs(t, err, child.ErrStopped)
		}
		require.Zero(t, sup.Count().Active)
	})
}

func TestIndependentSupervisorIsUpgradedWhileItStarts(t *testing.T) {
	inEachBatch(t, func(t *testing.T, at int) {
		var next supervisor.Spec
		spec := manyOf(at, func(ctx child.Context) error {
			sup, _ := supervisor.FromContext(ctx)
			return sup.Upgrade(next)
		})
		next = spec
		next.Children = append([]child.Spec{{Name: "new", Run: idle}}, spec.Children[1:]...)
		slices.Reverse(next.Children)
		sup := startMany(t, spec)
		require.Len(t, sup.Children(child.Running), manyChildren)
		all := names(sup.Children())
		require.Equal(t, []string{"c0001", "new", "c0000"}, all[manyChildren-2:], "in the order of the new spec")
		require.Equal(t, child.Stopped, state(t, sup, "new"))
		require.NoError(t, sup.RestartChild(t.Context(), "new"))
	})
}

func TestIndependentChildrenAreRemovedWhileOthersStart(t *testing.T) {
	inEachBatch(t, func(t *testing.T, at int) {
		done := make(chan error, 3)
		sup := startMany(t, manyOf(at, func(ctx child.Context) error {
			sup, _ := supervisor.FromContext(ctx)
			free := context.WithoutCancel(ctx)
			go func() { done <- sup.RemoveChild(free, "c0001", "c0500", "c1998") }()
			go func() { done <- sup.StopChild(free, "c0002", "c0501", "c1997") }()
			go func() { done <- sup.RestartChild(free, "c0003", "c0502", "c1996") }()
			return nil
		}))
		for range 3 {
			require.NoError(t, <-done)
		}
		require.Len(t, sup.Children(child.Running), manyChildren-6)
		require.Equal(t, manyChildren-6, sup.Count().Specs)
	})
}

func TestIndependentSupervisorInATreeStopsInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := manyOf(-1, nil)
		spec.Children = spec.Children[:600]
		for i := range spec.Children {
			if i%100 == 50 {
				deaf := &supervisortest.Child{StopAfter: child.Forever}
				defer deaf.Release()
				spec.Children[i].Run, spec.Children[i].StopTimeout = deaf.Run, child.Forever
			}
		}
		sup := startLoosely(t, supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
			{Name: "many", Run: supervisor.New(spec).Run}, {Name: "a", Run: idle},
		}})
		began := time.Now()
		var stop *supervisor.StopError
		require.ErrorAs(t, sup.Stop(t.Context()), &stop)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Len(t, stop.Abandoned, 6)
		require.Equal(t, "/root/many/c0050", stop.Abandoned[0].Path)
	})
}

// The budget of the whole stop ends before the independent children have been cancelled.
// Then all of them are cancelled at once, not only the first batch.
func TestHurriedStopCancelsEveryIndependentChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		sup := startLoosely(t, supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
			{Name: "many", Run: supervisor.New(manyOf(-1, nil)).Run},
			{Name: "deaf", Run: deaf.Run, StopTimeout: child.Forever},
		}})
		began := time.Now()
		require.Equal(t, []string{"/root/deaf 10s"}, left(t, sup.Stop(t.Context())))
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestIndependentChildrenThatHaveStoppedAreNotFoundWhileTheOthersStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &supervisortest.Child{StopAfter: time.Second}
		spec := manyOf(-1, nil)
		spec.Children[7].Run = slow.Run
		sup := startLoosely(t, spec)
		go func() { _ = sup.Stop(context.Background()) }()
		synctest.Wait()
		require.Equal(t, child.Stopping, state(t, sup, "c0007"))
		for _, gone := range []string{"c0000", "c0008"} {
			_, found := sup.Lookup(gone)
			require.False(t, found, gone)
		}
		require.Equal(t, supervisor.Counts{Specs: 1, Active: 1, Workers: 1}, sup.Count())
	})
}

func TestErrorOfAnIndependentChildThatIsStoppedIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := startLoosely(t, supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			_ = idle(ctx)
			return errBoom
		}}}})
		recorded := record(t, sup, supervisor.EventStopped)
		require.Equal(t, []string{"/root/a: boom"}, unclean(t, sup.Stop(t.Context())))
		events := recorded.take()
		require.Len(t, events, 1)
		require.Equal(t, errBoom, events[0].Err)
	})
}

// A restart without a backoff costs no goroutine, whatever the child has returned, and
// also if a caller asked for it.
func TestIndependentChildIsRestartedOnTheSameGoroutine(t *testing.T) {
	var where []string
	third := make(chan struct{})
	sup := startMany(t, supervisor.Spec{Strategy: strategy.Independent, Intensity: strategy.Unlimited(), Logger: quiet, Children: []child.Spec{{
		Name: "a", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			goroutine, _, _ := strings.Cut(string(debug.Stack()), " [")
			switch where = append(where, goroutine); len(where) {
			case 1:
				return nil
			case 2:
				return errBoom
			case 3:
				close(third)
			}
			<-ctx.Done()
			return nil
		},
	}}})
	<-third
	require.NoError(t, sup.RestartChild(t.Context(), "a"))
	require.NoError(t, sup.Stop(t.Context()))
	require.Equal(t, slices.Repeat(where[:1], 4), where)
}

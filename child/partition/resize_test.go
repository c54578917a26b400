package partition_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/partition"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestResizeStartsNewChildrenAndRemovesTheLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, of := range []supervisor.Spec{
			{}, {Strategy: strategy.OneForAll}, {Strategy: strategy.RestForOne}, {Strategy: strategy.Independent},
		} {
			s := newSet(t, 2, of)
			require.NotEmpty(t, s.logged())
			require.NoError(t, s.Resize(context.Background(), 5))
			require.Equal(t, 5, s.N())
			if of.Strategy != strategy.Independent {
				require.Equal(t, "+2 +3 +4", s.logged())
			}
			requireAllKeysServed(t, s)
			require.NoError(t, s.Resize(context.Background(), 5))
			s.logged()
			require.NoError(t, s.Resize(context.Background(), 1))
			require.Equal(t, 1, s.N())
			if of.Strategy != strategy.Independent {
				require.Equal(t, "-4 -3 -2 -1", s.logged())
			}
			requireAllKeysServed(t, s)
			require.NoError(t, s.Resize(context.Background(), 3))
			requireAllKeysServed(t, s)
			require.Equal(t, value{2, 2}, maps.Collect(s.All())[2])
			require.NoError(t, s.root.Stop(context.Background()))
		}
	})
}

// The children of a run are removed by the names that they have, and not by those that Child
// would give them now.
func TestResizeRemovesChildrenWhoseNamesDifferEachTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running atomic.Int64
		o := partition.New(partition.Spec[int]{N: 3, Child: func(i int, offer *child.Ref[int]) child.Spec {
			return child.Spec{Name: child.UniqueName("writer"), Run: func(ctx child.Context) error {
				running.Add(1)
				defer running.Add(-1)
				offer.Set(ctx, i)
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				return nil
			}}
		}})
		root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "set", Run: o.Run}}})
		require.NoError(t, root.Start(bg))
		defer func() { require.NoError(t, root.Stop(bg)) }()
		for _, n := range []int{1, 4, 2} {
			require.NoError(t, o.Resize(bg, n))
			require.EqualValues(t, n, running.Load())
		}
	})
}

func TestResizeBeforeTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := prepare(t, 2, supervisor.Spec{})
		require.NoError(t, s.Resize(context.Background(), 3))
		require.NoError(t, s.root.Start(context.Background()))
		require.Len(t, maps.Collect(s.All()), 3)
	})
}

func TestAResizeThatFailsChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSet(t, 2, supervisor.Spec{})
		s.logged()
		s.start[4].Store(true)
		err := s.Resize(context.Background(), 6)
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, "/root/set/p4: ")
		require.Equal(t, "+2 +3 -3 -2", s.logged())
		require.Equal(t, 2, s.N())
		requireAllKeysServed(t, s)
		for n, text := range map[int]string{0: "at least one", -1: "at least one", partition.Most + 1: "at most 65536"} {
			require.ErrorContains(t, s.Resize(context.Background(), n), text)
		}
		s.start[4].Store(false)
		require.NoError(t, s.Resize(context.Background(), 6))
		requireAllKeysServed(t, s)
	})
}

func TestAResizeThatCannotStopAChildSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		o := partition.New(partition.Spec[int]{N: 2, Child: func(i int, offer *child.Ref[int]) child.Spec {
			return child.Spec{Name: fmt.Sprint(i), Run: func(ctx child.Context) error {
				offer.Set(ctx, i)
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				if i == 1 {
					<-release
				}
				return nil
			}}
		}})
		supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "o", Run: o.Run}}})
		var stop *supervisor.StopError
		require.ErrorAs(t, o.Resize(context.Background(), 1), &stop)
		require.Equal(t, 1, o.N())
		close(release)
	})
}

// Resize comes when Run has asked for the children, and before they run.
func TestResizeDuringTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var o *partition.Owners[int]
		once := new(sync.Once)
		o = partition.New(partition.Spec[int]{N: 2, Child: func(i int, offer *child.Ref[int]) child.Spec {
			once.Do(func() {
				if err := o.Resize(bg, 4); err != nil {
					t.Error(err)
				}
			})
			return offering(i, offer)
		}})
		supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "o", Run: o.Run}}})
		require.Equal(t, 4, o.N())
		require.Len(t, maps.Collect(o.All()), 4)
	})
}

// early is a Context that calls hook when it is first asked for a value, which the supervisor
// does before it starts.
type early struct {
	child.Context
	hook func()
}

func (e early) Value(key any) any {
	e.hook()
	return e.Context.Value(key)
}

// Resize comes when the run has its children, and its supervisor refuses requests.
func TestResizeBeforeTheSupervisorStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := partition.New(partition.Spec[int]{N: 1, Child: offering, Supervisor: supervisor.Spec{Logger: quiet}})
		resized := make(chan error, 1)
		ctx, cancel := context.WithCancel(bg)
		hook := sync.OnceFunc(func() {
			go func() { resized <- o.Resize(bg, 3) }()
			time.Sleep(time.Second)
		})
		ended := make(chan error, 1)
		go func() { ended <- o.Run(early{child.FromContext(ctx), hook}) }()
		require.NoError(t, <-resized)
		require.Equal(t, 3, o.N())
		require.Len(t, maps.Collect(o.All()), 3)
		cancel()
		require.NoError(t, <-ended)
	})
}

func offering(i int, offer *child.Ref[int]) child.Spec {
	return child.Spec{Name: fmt.Sprint(i), Run: func(ctx child.Context) error {
		offer.Set(ctx, i)
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}}
}

func TestResizeBeforeTheSupervisorStartsWaitsNoLongerThanItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := partition.New(partition.Spec[int]{N: 1, Child: offering, Supervisor: supervisor.Spec{Logger: quiet}})
		ctx, cancel := context.WithCancel(bg)
		hook := sync.OnceFunc(func() {
			short, end := context.WithTimeout(bg, time.Second)
			defer end()
			require.ErrorIs(t, o.Resize(short, 3), context.DeadlineExceeded)
		})
		ended := make(chan error, 1)
		go func() { ended <- o.Run(early{child.FromContext(ctx), hook}) }()
		synctest.Wait()
		time.Sleep(time.Minute)
		require.Equal(t, 1, o.N())
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestResizeGoesOnWhenTheSupervisorDoesNotStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := partition.New(partition.Spec[int]{N: 1, Child: offering, Supervisor: supervisor.Spec{Logger: quiet}})
		ctx, cancel := context.WithCancel(bg)
		resized := make(chan error, 1)
		hook := sync.OnceFunc(func() {
			go func() { resized <- o.Resize(bg, 3) }()
			time.Sleep(time.Second)
			cancel()
		})
		_ = o.Run(early{child.FromContext(ctx), hook})
		require.NoError(t, <-resized)
		require.Equal(t, 3, o.N())
	})
}

func TestResizeDuringTheStopIsForTheNextRun(t *testing.T) {
	for _, n := range []int{1, 3} {
		bubble(t, func(t *testing.T) {
			o := partition.New(partition.Spec[int]{N: 2, Child: func(i int, offer *child.Ref[int]) child.Spec {
				return child.Spec{Name: fmt.Sprint(i), StopTimeout: time.Hour, Run: func(ctx child.Context) error {
					offer.Set(ctx, i)
					if err := ctx.Ready(); err != nil {
						return err
					}
					<-ctx.Done()
					time.Sleep(time.Minute)
					return nil
				}}
			}})
			root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "o", Run: o.Run}}})
			require.NoError(t, root.Start(bg))
			stopped := make(chan error, 1)
			go func() { stopped <- root.Stop(bg) }()
			synctest.Wait()
			require.NoError(t, o.Resize(bg, n))
			require.NoError(t, <-stopped)
			require.NoError(t, root.Start(bg))
			require.Len(t, maps.Collect(o.All()), n)
			require.NoError(t, root.Stop(bg))
		})
	}
}

func TestResizeWaitsForItsTurnNoLongerThanItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		o := partition.New(partition.Spec[int]{N: 1, Child: func(i int, offer *child.Ref[int]) child.Spec {
			return child.Spec{Name: fmt.Sprint(i), Run: func(ctx child.Context) error {
				if i == 1 {
					close(entered)
					<-release
				}
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				return nil
			}}
		}})
		supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "o", Run: o.Run}}})
		done := make(chan error, 1)
		go func() { done <- o.Resize(context.Background(), 2) }()
		<-entered
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, o.Resize(ctx, 3), context.DeadlineExceeded)
		close(release)
		require.NoError(t, <-done)
		require.Equal(t, 2, o.N())
	})
}

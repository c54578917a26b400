package partition_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
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

func TestEachKeyHasItsOwner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSet(t, 4, supervisor.Spec{})
		require.Equal(t, 4, s.N())
		requireAllKeysServed(t, s)
		require.Equal(t, map[int]value{0: {0, 1}, 1: {1, 1}, 2: {2, 1}, 3: {3, 1}}, maps.Collect(s.All()))
		for range s.All() {
			break
		}
	})
}

func TestZeroNIsTheNumberOfProcessors(t *testing.T) {
	o := partition.New(partition.Spec[int]{})
	require.Equal(t, runtime.GOMAXPROCS(0), o.N())
}

// Both wake For. It must not return the end of its own wait.
func TestForReturnsTheCauseOfItsContextAlsoWhenAResizeComesFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := partition.New(partition.Spec[int]{N: 1, Child: func(int, *child.Ref[int]) child.Spec { return child.Spec{} }})
		for i := range 2000 {
			ctx, cancel := context.WithCancelCause(bg)
			answers := make(chan error)
			go func() {
				_, err := o.For(ctx, "key")
				answers <- err
			}()
			synctest.Wait()
			require.NoError(t, o.Resize(bg, 2-i%2))
			runtime.Gosched()
			cancel(errBoom)
			require.Equal(t, errBoom, <-answers)
		}
	})
}

func TestForWaitsWhileTheOwnerIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSet(t, 4, supervisor.Spec{Backoff: child.Constant(time.Minute)})
		key := s.keyOf(t, 2)
		s.fail[2] <- errBoom
		synctest.Wait()
		_, err := s.For(context.Background(), s.keyOf(t, 1))
		require.NoError(t, err, "the keys of the others are served")
		began := time.Now()
		v, err := s.For(context.Background(), key)
		require.NoError(t, err)
		require.Equal(t, value{2, 2}, v)
		require.Equal(t, time.Minute, time.Since(began))

		s.fail[2] <- errBoom
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { cancel(errBoom) })
		_, err = s.For(ctx, key)
		require.ErrorIs(t, err, errBoom)
	})
}

func TestForDoesNotWaitForAnOwnerThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSet(t, 2, supervisor.Spec{})
		key := s.keyOf(t, 1)
		require.NoError(t, s.root.RemoveChild(context.Background(), "set/p1"))
		_, err := s.For(context.Background(), key)
		require.ErrorIs(t, err, child.ErrGone)
		require.EqualError(t, err, "/root/set/p1: gone for good")
		require.NoError(t, s.root.Stop(context.Background()))
		_, err = s.For(context.Background(), s.keyOf(t, 0))
		require.ErrorIs(t, err, child.ErrGone)
		var none context.Context
		_, err = s.For(none, key)
		require.ErrorContains(t, err, "nil context")
		require.ErrorContains(t, s.Resize(none, 1), "nil context")
	})
}

func TestARestartKeepsTheNumber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSet(t, 2, supervisor.Spec{Intensity: strategy.AtMost(0, time.Minute)})
		require.NoError(t, s.Resize(context.Background(), 4))
		s.fail[3] <- errBoom
		synctest.Wait()
		require.Empty(t, maps.Collect(s.All()), "their supervisor gave up")
		require.NoError(t, s.Resize(context.Background(), 6), "for the next run")
		require.Equal(t, 6, s.N())
		v, err := s.For(context.Background(), s.keyOf(t, 5)) // after an hour of backoff
		require.NoError(t, err)
		require.Equal(t, value{5, 1}, v)
		require.Len(t, maps.Collect(s.All()), 6)
	})
}

// A For that waits for an owner goes on with the next one when the key moves.
func TestForFollowsAKeyThatMoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSet(t, 3, supervisor.Spec{Backoff: child.Constant(time.Hour)})
		get := func(key string) <-chan value {
			got := make(chan value, 1)
			go func() {
				v, err := s.For(context.Background(), key)
				if err != nil {
					t.Error(err)
				}
				got <- v
			}()
			synctest.Wait()
			return got
		}
		removed := s.keyOf(t, 2)
		s.fail[2] <- errBoom
		synctest.Wait()
		waits := get(removed)
		require.Empty(t, waits)
		require.NoError(t, s.Resize(context.Background(), 2))
		require.NotEqual(t, 2, (<-waits).index)

		var moves string // from child 0 to child 2
		for i := 0; moves == ""; i++ {
			key := fmt.Sprint("key-", i)
			before := partition.New(partition.Spec[int]{N: 2}).Index(key)
			if before == 0 && partition.New(partition.Spec[int]{N: 3}).Index(key) == 2 {
				moves = key
			}
		}
		s.fail[0] <- errBoom
		synctest.Wait()
		waits = get(moves)
		require.Empty(t, waits)
		require.NoError(t, s.Resize(context.Background(), 3))
		require.Equal(t, 2, (<-waits).index)
	})
}

// Calls of Resize, restarts of the owners and calls of For at once.
func TestEverythingAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := prepare(t, 3, supervisor.Spec{Backoff: child.Constant(time.Millisecond)})
		s.log = make(chan string, 100_000)
		require.NoError(t, s.root.Start(context.Background()))
		var all sync.WaitGroup
		for g := range 3 {
			all.Go(func() {
				for i := range 20 {
					if err := s.Resize(context.Background(), 1+(7*g+5*i)%11); err != nil && !errors.Is(err, supervisor.ErrNotRunning) {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		all.Go(func() {
			for range 10 {
				time.Sleep(3 * time.Millisecond)
				if err := s.root.RestartChild(context.Background(), "set"); err != nil {
					t.Error(err)
				}
			}
		})
		for range 4 {
			all.Go(func() {
				for i := range 100 {
					if _, err := s.For(context.Background(), fmt.Sprint("key-", i)); err != nil {
						t.Error(err)
					}
					time.Sleep(100 * time.Microsecond)
				}
			})
		}
		all.Wait()
		require.NoError(t, s.Resize(context.Background(), 7))
		requireAllKeysServed(t, s)
		require.Len(t, maps.Collect(s.All()), 7)
		sup, ok := s.root.Lookup("set")
		require.True(t, ok)
		require.Equal(t, child.Running, sup.State)
	})
}

func TestProblemsOfASpec(t *testing.T) {
	spec := partition.Spec[int]{N: -1, Supervisor: supervisor.Spec{Children: []child.Spec{{}}}}
	err := spec.Validate()
	for _, text := range []string{"N: -1: there must be at least one", "Child: nil", "Supervisor: has Children"} {
		require.ErrorContains(t, err, text)
	}
	var fault *child.SpecError
	require.ErrorAs(t, err, &fault)
	o := partition.New(spec)
	require.Equal(t, err, o.Run(child.FromContext(context.Background())))
	require.Equal(t, err, o.Resize(context.Background(), 2))
	require.ErrorContains(t, o.Run(nil), "nil context")
	same := partition.New(partition.Spec[int]{N: 2, Child: func(int, *child.Ref[int]) child.Spec { return child.Spec{Name: "same"} }})
	err = same.Run(child.FromContext(context.Background()))
	require.ErrorContains(t, err, "Run")
	require.ErrorContains(t, err, "same")
}

func TestOwnersKeepTheContractOfAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		supervisortest.Check(t, func() child.Runnable {
			return partition.New(partition.Spec[int]{N: 3, Child: func(i int, offer *child.Ref[int]) child.Spec {
				return child.Spec{Name: fmt.Sprint(i), Run: child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })}
			}, Supervisor: supervisor.Spec{Logger: quiet}})
		})
	})
}

package partition_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/partition"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBoom = errors.New("boom")
	quiet   = slog.New(slog.DiscardHandler)
	bg      = context.Background()
	bubble  = synctest.Test
)

// A value says which run of which child offers it.
type value struct{ index, run int }

// A set is owners whose children offer values and fail on request.
type set struct {
	*partition.Owners[value]
	root  *supervisor.Supervisor
	runs  [20]atomic.Int64
	fail  [20]chan error
	start [20]atomic.Bool // it fails to start
	log   chan string     // of starts and ends
}

// newSet starts owners as the child "set" of a root.
func newSet(t *testing.T, n int, of supervisor.Spec) *set {
	t.Helper()
	s := prepare(t, n, of)
	require.NoError(t, s.root.Start(context.Background()))
	return s
}

func prepare(t *testing.T, n int, of supervisor.Spec) *set {
	s := &set{log: make(chan string, 1000)}
	for i := range s.fail {
		s.fail[i] = make(chan error)
	}
	s.Owners = partition.New(partition.Spec[value]{N: n, Supervisor: of, Child: s.child})
	s.root = testkit.Root(t, supervisor.Spec{Backoff: child.Constant(time.Hour), Children: []child.Spec{{Name: "set", Run: s.Run}}})
	return s
}

func (s *set) child(i int, offer *child.Ref[value]) child.Spec {
	return child.Spec{Name: fmt.Sprint("p", i), Run: func(ctx child.Context) error {
		if s.start[i].Load() {
			return errBoom
		}
		s.log <- fmt.Sprint("+", i)
		defer func() { s.log <- fmt.Sprint("-", i) }()
		offer.Set(ctx, value{i, int(s.runs[i].Add(1))})
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.fail[i]:
			return err
		}
	}}
}

// logged returns what was logged since the last call.
func (s *set) logged() string {
	synctest.Wait()
	var all []string
	for {
		select {
		case line := <-s.log:
			all = append(all, line)
		default:
			return strings.Join(all, " ")
		}
	}
}

// keyOf returns a key that the child with the index owns, among n.
func (s *set) keyOf(t *testing.T, index int) string {
	t.Helper()
	for i := range 100_000 {
		if key := fmt.Sprint("key-", i); s.Index(key) == index {
			return key
		}
	}
	require.Fail(t, "no key")
	return ""
}

func requireAllKeysServed(t *testing.T, s *set) {
	t.Helper()
	for i := range 200 {
		key := fmt.Sprint("key-", i)
		v, err := s.For(context.Background(), key)
		require.NoError(t, err)
		require.Equal(t, s.Index(key), v.index)
	}
}

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

package registry_test

import (
	"context"
	"maps"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/registry"
)

func requireOwner(t *testing.T, r *registry.Registry[string, int], key string, want int) {
	t.Helper()
	v, ok := r.Load(key)
	require.True(t, ok, "%s has no owner", key)
	require.Equal(t, want, v)
}

func requireNoOwner(t *testing.T, r *registry.Registry[string, int], key string) {
	t.Helper()
	v, ok := r.Load(key)
	require.False(t, ok)
	require.Zero(t, v)
}

func TestKeyHasItsOwnerUntilThatRunEnds(t *testing.T) {
	var r registry.Registry[string, int]
	requireNoOwner(t, &r, "a")
	ctx, end := newRun()
	require.NoError(t, r.Register(ctx, "a", 1))
	require.NoError(t, r.Register(ctx, "b", 2))
	requireOwner(t, &r, "a", 1)
	require.Equal(t, 2, r.Len())
	require.Equal(t, map[string]int{"a": 1, "b": 2}, maps.Collect(r.All()))
	end()
	requireNoOwner(t, &r, "a")
	require.Zero(t, r.Len())
	require.Empty(t, maps.Collect(r.All()))
}

func TestKeyHasOneOwner(t *testing.T) {
	var r registry.Registry[string, int]
	first, endFirst := newRun()
	second, endSecond := newRun()
	defer endSecond()
	require.NoError(t, r.Register(first, "a", 1))
	err := r.Register(second, "a", 2)
	require.ErrorIs(t, err, registry.ErrTaken)
	require.EqualError(t, err, "key is taken by a run without a supervisor")
	requireOwner(t, &r, "a", 1)
	require.NoError(t, r.Register(first, "a", 3), "its own run may replace the value")
	requireOwner(t, &r, "a", 3)
	endFirst()
	require.NoError(t, r.Register(second, "a", 2))
	requireOwner(t, &r, "a", 2)
}

func TestErrTakenNamesThePathOfTheOwner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		crowd(t, child.Spec{Name: "ann", Run: idle(func(ctx child.Context) error {
			if err := r.Register(ctx, "ann", 0); err != nil {
				return err
			}
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			return r.Register(child.FromContext(derived), "ann", 1) // the same run
		}, nil)})
		requireNoOwner(t, &r, "ann") // the entry of the derived context has ended with it
	})
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		crowd(t, child.Spec{Name: "ann", Run: idle(func(ctx child.Context) error { return r.Register(ctx, "ann", 1) }, nil)})
		ctx, end := newRun()
		defer end()
		require.EqualError(t, r.Register(ctx, "ann", 2), "key is taken by /people/ann")
	})
}

func TestWithdrawnWhenTheRunIsAskedToStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		asked, release := make(chan struct{}), make(chan struct{})
		stubborn := func(ctx child.Context) error {
			if err := r.Register(ctx, "ann", 1); err != nil {
				return err
			}
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			close(asked)
			<-release
			return nil
		}
		sup := crowd(t, child.Spec{Name: "ann", Run: stubborn, StopTimeout: child.Forever})
		requireOwner(t, &r, "ann", 1)
		go func() { _ = sup.StopChild(context.Background(), "ann") }()
		<-asked
		requireNoOwner(t, &r, "ann")
		ctx, end := newRun()
		defer end()
		require.NoError(t, r.Register(ctx, "ann", 2), "a run that was asked to stop does not keep the key")
		close(release)
		synctest.Wait()
		requireOwner(t, &r, "ann", 2)
	})
}

func TestAnAbandonedRunCannotTakeTheKeyBack(t *testing.T) {
	var r registry.Registry[string, int]
	old, end := newRun()
	next, endNext := newRun()
	defer endNext()
	require.NoError(t, r.Register(old, "a", 1))
	end()
	require.NoError(t, r.Register(next, "a", 2))
	require.ErrorIs(t, r.Register(old, "a", 3), errOver)
	r.Unregister(old, "a")
	requireOwner(t, &r, "a", 2)
}

func TestUnregister(t *testing.T) {
	var r registry.Registry[string, int]
	ctx, end := newRun()
	other, endOther := newRun()
	defer end()
	defer endOther()
	require.NoError(t, r.Register(ctx, "a", 1))
	r.Unregister(other, "a")
	r.Unregister(nil, "a")
	r.Unregister(ctx, "b")
	requireOwner(t, &r, "a", 1)
	r.Unregister(ctx, "a")
	requireNoOwner(t, &r, "a")
	require.NoError(t, r.Register(other, "a", 2))
	r.Unregister(ctx, "a")
	requireOwner(t, &r, "a", 2)
}

func TestKeysAndContextsThatAreRefused(t *testing.T) {
	ctx, end := newRun()
	var floats registry.Registry[float64, int]
	require.ErrorContains(t, floats.Register(ctx, math.NaN(), 1), "not equal to itself")
	require.ErrorContains(t, floats.Register(nil, 1, 1), "nil context")
	var of registry.Groups[float64, int]
	require.ErrorContains(t, of.Join(ctx, math.NaN(), 1), "not equal to itself")
	require.ErrorContains(t, of.Join(nil, 1, 1), "nil context")
	var none context.Context
	_, err := floats.Get(none, 1)
	require.ErrorContains(t, err, "nil context")
	_, err = floats.Get(context.Background(), math.NaN())
	require.ErrorContains(t, err, "not equal to itself", "it would wait for ever")
	for range floats.Watch(none) {
		t.Error("a change")
	}
	end()
	require.ErrorIs(t, floats.Register(ctx, 1, 1), errOver)
	require.ErrorIs(t, of.Join(ctx, 1, 1), errOver)
	require.Zero(t, floats.Len())
	require.Zero(t, of.Len())
}

// A key of an interface type may hold something without equality. That panics, as for a map,
// and must not leave a lock behind.
func TestKeyWithoutEqualityPanicsAndLocksNothing(t *testing.T) {
	var r registry.Registry[any, int]
	ctx, end := newRun()
	defer end()
	for range 1000 { // every shard
		require.Panics(t, func() { _ = r.Register(ctx, []int{1}, 1) })
		require.Panics(t, func() { r.Load([]int{1}) })
	}
	for i := range 1000 {
		require.NoError(t, r.Register(ctx, i, i))
	}
	require.Equal(t, 1000, r.Len())
}

// hooked is a Context that calls hook whenever a method of the user's type may be called.
type hooked struct {
	child.Context
	hook func()
}

func (h hooked) Err() error        { h.hook(); return h.Context.Err() }
func (h hooked) Path() string      { h.hook(); return h.Context.Path() }
func (h hooked) Value(key any) any { h.hook(); return h.Context.Value(key) }

func TestNothingOfACallerIsCalledUnderALock(t *testing.T) {
	var r registry.Registry[string, int]
	var g registry.Groups[string, int]
	inner, end := newRun()
	var calls atomic.Int64 // a sweep calls from a goroutine of its own
	ctx := hooked{inner, func() {
		// Each of these needs the lock of the key: under it, they would never return.
		if calls.Add(1) > 100 {
			return
		}
		plain, end := newRun()
		_ = r.Register(plain, "b", 1)
		r.Unregister(plain, "a")
		_ = g.Join(plain, "a", 1)
		g.Leave(plain, "a")
		end()
	}}
	watch, stop := context.WithCancel(context.Background())
	defer stop()
	all := func() {
		calls.Store(0)
		require.NoError(t, r.Register(ctx, "a", 1))
		_ = r.Register(hooked{inner, func() {}}, "a", 1)
		require.NoError(t, g.Join(ctx, "a", 1))
		_ = r.Len() + g.Len()
		for range g.Members("a") {
			calls.Add(1)
		}
		_, _ = r.Get(watch, "a")
		for range r.Watch(watch) {
			break
		}
		r.Unregister(ctx, "a")
		g.Leave(ctx, "a")
	}
	all()
	require.Greater(t, calls.Load(), int64(10))
	end()
}

func TestLoopsMayCallEverything(t *testing.T) {
	var r registry.Registry[int, int]
	var g registry.Groups[int, int]
	ctx, end := newRun()
	defer end()
	for i := range 300 {
		require.NoError(t, r.Register(ctx, i, i))
		require.NoError(t, g.Join(ctx, i%3, i))
	}
	for k := range r.All() {
		r.Unregister(ctx, k)
		require.NoError(t, r.Register(ctx, -1-k, k))
	}
	for k := range g.All() {
		g.Leave(ctx, k)
	}
	require.Equal(t, 300, r.Len())
	require.Zero(t, g.Len())
	for range r.All() {
		break
	}
}

// Many runs contend for few keys, and each sees that it is the only owner.
func TestManyContendForFewKeys(t *testing.T) {
	var r registry.Registry[int, *atomic.Int64]
	var owners [3]atomic.Int64
	var all sync.WaitGroup
	var won atomic.Int64
	for g := range 8 {
		all.Go(func() {
			for i := range 300 {
				key := (g + i) % len(owners)
				ctx, end := newRun()
				if r.Register(ctx, key, &owners[key]) == nil {
					won.Add(1)
					if n := owners[key].Add(1); n != 1 {
						t.Errorf("%d owners of %d", n, key)
					}
					r.Load(key)
					owners[key].Add(-1)
				}
				if i%2 == 0 {
					r.Unregister(ctx, key)
				}
				end()
			}
		})
	}
	all.Wait()
	require.Positive(t, won.Load())
	require.Zero(t, r.Len())
}

// The figure of the package text. The contexts and keys are made before.
func TestAnEntryTakesLessThan200Bytes(t *testing.T) {
	const n = 30_000
	runs, keys := make([]child.Context, n), make([]string, n)
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range n {
		runs[i], keys[i] = child.FromContext(inner), "key-"+strconv.Itoa(i)
	}
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	var r registry.Registry[string, *int]
	var g registry.Groups[string, *int]
	var room registry.Groups[string, *int]
	v := new(int)
	for what, add := range map[string]func(i int) error{
		"registry":      func(i int) error { return r.Register(runs[i], keys[i], v) },
		"groups of one": func(i int) error { return g.Join(runs[i], keys[i], v) },
		"one group":     func(i int) error { return room.Join(runs[i], "all", v) },
	} {
		before := heap()
		for i := range n {
			require.NoError(t, add(i))
		}
		per := (heap() - before) / n
		t.Logf("%s: %.0f bytes an entry", what, per)
		require.Less(t, per, 200.0, what)
		require.Greater(t, per, 30.0, "what is measured is there: %s", what)
	}
	require.Equal(t, 3*n, r.Len()+g.Len()+room.Len())
	runtime.KeepAlive(runs)
}

func TestGetWaitsForTheFirstOwnerAndForARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		fail := make(chan error)
		runs := 0
		get := func() <-chan int {
			got := make(chan int, 1)
			go func() {
				v, err := r.Get(context.Background(), "ann")
				if err != nil {
					t.Error(err)
				}
				got <- v
			}()
			synctest.Wait()
			return got
		}
		first := get()
		require.Empty(t, first)
		crowd(t, child.Spec{Name: "ann", Backoff: child.Constant(time.Minute), Run: idle(func(ctx child.Context) error {
			runs++
			return r.Register(ctx, "ann", runs)
		}, fail)})
		require.Equal(t, 1, <-first)
		require.Equal(t, 1, <-get())
		fail <- errBoom
		synctest.Wait()
		requireNoOwner(t, &r, "ann")
		second := get()
		require.Empty(t, second)
		began := time.Now()
		require.Equal(t, 2, <-second)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestGetDoesNotWaitForAnOwnerThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		register := idle(func(ctx child.Context) error { return r.Register(ctx, "ann", 1) }, nil)
		sup := crowd(t)
		ann := child.Spec{Name: "ann", Run: register, Restart: child.Temporary}
		require.NoError(t, sup.StartChild(context.Background(), ann))
		require.NoError(t, sup.StopChild(context.Background(), "ann"))
		_, err := r.Get(context.Background(), "ann")
		require.ErrorIs(t, err, child.ErrGone)
		require.True(t, strings.HasPrefix(err.Error(), "/people/ann: "), err)
		require.NoError(t, sup.StartChild(context.Background(), ann))
		v, err := r.Get(context.Background(), "ann")
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

func TestGetThatWaitsEndsWhenTheOwnerIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		fail := make(chan error)
		sup := crowd(t, child.Spec{
			Name: "ann", Backoff: child.Constant(time.Hour),
			Run: idle(func(ctx child.Context) error { return r.Register(ctx, "ann", 1) }, fail),
		})
		fail <- errBoom
		synctest.Wait()
		errs := make(chan error, 10)
		for range cap(errs) {
			go func() {
				_, err := r.Get(context.Background(), "ann")
				errs <- err
			}()
		}
		synctest.Wait()
		require.Empty(t, errs)
		require.NoError(t, sup.RemoveChild(context.Background(), "ann"))
		for range cap(errs) {
			require.ErrorIs(t, <-errs, child.ErrGone)
		}
	})
}

func TestGetEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { cancel(errBoom) })
		_, err := r.Get(ctx, "ann")
		require.ErrorIs(t, err, errBoom)
	})
}

package registry

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/runkey"
)

// A fated is a Context whose child has a fate.
type fated struct {
	child.Context
	gone bool
}

func (f *fated) Gone(chan<- struct{}) (bool, func()) { return f.gone, func() {} }
func (f *fated) Path() string                        { return "/people/ann" }

func (f *fated) Value(key any) any {
	if key == (runkey.Fate{}) {
		return runkey.Oracle(f)
	}
	return f.Context.Value(key)
}

func endedRun() (ctx child.Context, end func()) {
	inner, cancel := context.WithCancel(context.Background())
	return child.FromContext(inner), cancel
}

func (t *table[K, V]) slots() (n int) {
	for part := range t.parts {
		n += len(part)
	}
	return n
}

// collected runs the garbage collector until done reports true.
func collected(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("not collected: " + what)
		}
		runtime.GC()
		runtime.Gosched()
	}
}

func TestWhatIsLeftOfARunIsFreedByALaterCall(t *testing.T) {
	type big struct{ _ [1 << 16]byte }
	var r Registry[int, *big]
	var g Groups[int, *big]
	stays, endStay := endedRun()
	defer endStay()
	var of []weak.Pointer[big]
	for i := range 10 {
		ctx, end := endedRun()
		a, b := new(big), new(big)
		of = append(of, weak.Make(a), weak.Make(b))
		require.NoError(t, r.Register(ctx, i, a))
		require.NoError(t, g.Join(ctx, 0, b))
		end()
	}
	kept := new(big)
	require.NoError(t, r.Register(stays, 10, kept))
	require.NoError(t, g.Join(stays, 0, kept))
	collected(t, "the values of runs that have ended", func() bool {
		r.Load(10)
		_ = g.Join(stays, 1, kept)
		g.Leave(stays, 1)
		for _, w := range of {
			if w.Value() != nil {
				return false
			}
		}
		return r.table().slots() == 1 && g.table().slots() == 1
	})
	require.Equal(t, 1, r.Len())
	require.Equal(t, 1, g.Len())

	// Later ones are swept, too: each sweep arranges for the next.
	ctx, end := endedRun()
	late := new(big)
	was := weak.Make(late)
	require.NoError(t, r.Register(ctx, 11, late))
	late = nil
	end()
	collected(t, "a later value", func() bool {
		r.Load(10)
		return was.Value() == nil
	})
}

func TestAnEmptyTableIsNotSwept(t *testing.T) {
	var r Registry[int, int]
	ctx, end := endedRun()
	require.NoError(t, r.Register(ctx, 1, 1))
	require.EqualValues(t, waiting, r.table().sweeper.stage.Load())
	end()
	collected(t, "the last entry", func() bool {
		r.Load(1)
		return r.table().sweeper.stage.Load() == resting
	})
	require.Zero(t, r.table().slots())
}

// Whatever the collector does: outside of the bubble, nothing asks the contexts of a bubble.
func TestTheContextsOfABubbleAreNotAskedOutsideOfIt(t *testing.T) {
	var r Registry[int, int]
	synctest.Test(t, func(t *testing.T) {
		inner, cancel := context.WithCancel(context.Background())
		ctx := child.FromContext(inner)
		go func() { <-inner.Done() }() // so that it has a channel, of the bubble
		for i := range 100 {
			require.NoError(t, r.Register(ctx, i, i))
		}
		synctest.Wait()
		cancel()
	})
	for range 20 {
		runtime.GC()
		runtime.Gosched()
	}
	require.Contains(t, []int32{waiting, due}, r.table().sweeper.stage.Load())
	synctest.Test(t, func(t *testing.T) { // within the bubble, a call sweeps
		var r Registry[int, int]
		inner, cancel := context.WithCancel(context.Background())
		require.NoError(t, r.Register(child.FromContext(inner), 1, 1))
		cancel()
		collected(t, "the entry", func() bool {
			r.Load(1)
			synctest.Wait()
			return r.table().slots() == 0
		})
	})
}

func TestARegistryThatNobodyNeedsIsFreed(t *testing.T) {
	stays, end := endedRun()
	defer end()
	r := new(Registry[int, int])
	require.NoError(t, r.Register(stays, 1, 1))
	was := weak.Make(r.table())
	r = nil
	collected(t, "the table", func() bool { return was.Value() == nil })
}

// noCollection turns the garbage collector off, so that only the test starts sweeps.
func noCollection(t *testing.T) {
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
}

// A sweep frees the run and the value of an owner that may come back, and keeps its fate.
func TestASweepKeepsTheFateOfAnOwner(t *testing.T) {
	var r Registry[string, *fated]
	tab := r.table()
	noCollection(t)
	inner, end := endedRun()
	ctx := &fated{Context: inner}
	require.NoError(t, r.Register(ctx, "ann", ctx))
	end()
	for range 3 {
		tab.sweep()
	}
	left := tab.load("ann")
	require.Len(t, left, 1)
	require.Nil(t, left[0].value)
	require.IsType(t, (*past)(nil), left[0].owner)
	require.Zero(t, r.Len())
	waits, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.Get(waits, "ann")
	require.ErrorIs(t, err, context.Canceled, "it may come back")
	ctx.gone = true
	_, err = r.Get(context.Background(), "ann")
	require.ErrorIs(t, err, child.ErrGone)
	require.EqualError(t, err, "/people/ann: gone for good")
	next, endNext := endedRun()
	defer endNext()
	require.NoError(t, r.Register(next, "ann", nil))
	require.Equal(t, 1, r.Len())
}

func TestTheLastKeysWhoseOwnersAreGoneAreRemembered(t *testing.T) {
	var r Registry[int, int]
	tab := r.table()
	noCollection(t)
	add := func(i int) {
		inner, end := endedRun()
		require.NoError(t, r.Register(&fated{Context: inner, gone: true}, i, i))
		end()
		tab.sweep()
	}
	add(-1)
	back, endBack := endedRun()
	defer endBack()
	require.NoError(t, r.Register(back, -1, -1)) // it is the first to be forgotten, but it is back
	for i := range remembered + 10 {
		add(i)
	}
	_, err := r.Get(context.Background(), remembered+9)
	require.ErrorIs(t, err, child.ErrGone)
	_, err = r.Get(context.Background(), 10)
	require.ErrorIs(t, err, child.ErrGone)
	waits, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = r.Get(waits, 9)
	require.ErrorIs(t, err, context.Canceled, "forgotten")
	v, ok := r.Load(-1)
	require.True(t, ok)
	require.Equal(t, -1, v)
	require.Equal(t, remembered+1, tab.slots())
}

// A room in which one stays while very many come and go does not grow without limit, even if
// nothing is ever collected.
func TestAGroupDropsThoseWhoHaveLeftBeforeItGrows(t *testing.T) {
	noCollection(t)
	var g Groups[string, int]
	stays, end := endedRun()
	defer end()
	require.NoError(t, g.Join(stays, "x", -1))
	for range 1000 {
		ctx, end := endedRun()
		require.NoError(t, g.Join(ctx, "x", 1))
		end()
		require.LessOrEqual(t, cap(g.table().load("x")), 5)
	}
	require.Equal(t, []int{-1}, slices.Collect(g.Members("x")))
}

func TestAGetThatEndsLeavesNothingBehind(t *testing.T) {
	var r Registry[int, int]
	stays, end := endedRun()
	defer end()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() { _, _ = r.Get(ctx, i%10) })
	}
	for i := range 5 {
		require.NoError(t, r.Register(stays, i, i))
	}
	cancel()
	all.Wait()
	for i := range r.table().shards {
		require.Empty(t, r.table().shards[i].waits)
	}
}

// A rude is a Context whose Err panics.
type rude struct{ child.Context }

func (rude) Err() error { panic("rude") }

func TestASweepSurvivesTheContextOfACaller(t *testing.T) {
	var g Groups[string, int]
	tab := g.table()
	noCollection(t)
	ctx, end := endedRun()
	require.NoError(t, g.Join(ctx, "x", 1))
	require.True(t, func() bool { _, ok := tab.push("y", &entry[int]{owner: rude{ctx}}); return ok }())
	end()
	tab.sweep()
	require.Empty(t, tab.load("x"))
	require.Len(t, tab.load("y"), 1)
}

// While a loop over Watch is busy, any number of entries may come and go. Its queue is bounded
// by what is there, as soon as the garbage of the others is collected.
func TestTheQueueOfASlowLoopIsPruned(t *testing.T) {
	var r Registry[int, int]
	tab := r.table()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	first, endFirst := endedRun()
	defer endFirst()
	require.NoError(t, r.Register(first, -1, -1))
	var seen []Change[int, int]
	for c := range r.Watch(ctx) {
		if seen = append(seen, c); c.Key == -2 {
			break
		}
		for i := range 1000 {
			ctx, end := endedRun()
			require.NoError(t, r.Register(ctx, i, i))
			end()
		}
		w := tab.watchers.all()[0]
		collected(t, "the queue", func() bool {
			r.Load(0)
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.queue.Len() == 0 && len(w.seen) == 1
		})
		require.NoError(t, r.Register(first, -2, -2))
	}
	require.Equal(t, []Change[int, int]{{-1, -1, "", true}, {-2, -2, "", true}}, seen)
	require.Empty(t, tab.watchers.all())
}

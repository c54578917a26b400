package child

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/runkey"
)

// errOver is the cause with which the runs of these tests end.
var errOver = errors.New("over")

// newRun returns the context of a run, and a function that ends the run.
func newRun() (ctx Context, end func()) {
	inner, cancel := context.WithCancelCause(context.Background())
	return FromContext(inner), func() { cancel(errOver) }
}

func requireValue[T any](t *testing.T, want T, r *Ref[T]) {
	t.Helper()
	v, ok := r.Load()
	require.True(t, ok, "there is no value")
	require.Equal(t, want, v)
	v, err := r.Get(context.Background())
	require.NoError(t, err)
	require.Equal(t, want, v)
}

// getting calls Get with a context that never ends and passes the value on.
func getting[T any](t *testing.T, r *Ref[T]) <-chan T {
	got := make(chan T, 1)
	go func() {
		v, err := r.Get(context.Background())
		if err != nil {
			t.Errorf("Get: %v", err)
		}
		got <- v
	}()
	return got
}

func requireNoValue[T any](t *testing.T, r *Ref[T]) {
	t.Helper()
	v, ok := r.Load()
	require.False(t, ok)
	require.Zero(t, v)
}

func TestZeroRefHasNoValue(t *testing.T) {
	var r Ref[string]
	requireNoValue(t, &r)
}

func TestValueIsThereUntilItsRunEnds(t *testing.T) {
	var r Ref[string]
	ctx, end := newRun()
	r.Set(ctx, "addr")
	requireValue(t, "addr", &r)
	end()
	requireNoValue(t, &r)
	requireNoValue(t, &r)
}

func TestValueIsReplacedByALaterSet(t *testing.T) {
	var r Ref[string]
	first, endFirst := newRun()
	second, endSecond := newRun()
	r.Set(first, "a")
	r.Set(first, "b")
	requireValue(t, "b", &r)
	r.Set(second, "c")
	requireValue(t, "c", &r)
	endFirst()
	requireValue(t, "c", &r)
	endSecond()
	requireNoValue(t, &r)
}

func TestZeroValueIsAValueToo(t *testing.T) {
	var r Ref[error]
	ctx, end := newRun()
	defer end()
	r.Set(ctx, nil)
	requireValue(t, nil, &r)
}

func TestSetWithoutALiveRunDoesNothing(t *testing.T) {
	var r Ref[string]
	ctx, end := newRun()
	defer end()
	past, endPast := newRun()
	endPast()

	r.Set(nil, "x")
	r.Set(past, "x")
	requireNoValue(t, &r)

	r.Set(ctx, "addr")
	r.Set(nil, "x")
	r.Set(past, "x")
	requireValue(t, "addr", &r)
}

// asked is a Context that calls hook on each call of Err.
type asked struct {
	Context
	hook func()
}

func (a asked) Err() error {
	err := a.Context.Err()
	a.hook()
	return err
}

// An abandoned run may call Set at any time. It may end, and its successor may set a value,
// between two steps of that call.
func TestRunThatEndsDuringSetDoesNotReplaceTheValueOfItsSuccessor(t *testing.T) {
	var r Ref[string]
	old, end := newRun()
	next, endNext := newRun()
	defer endNext()
	succeed := sync.OnceFunc(func() {
		end()
		r.Set(next, "new")
	})
	r.Set(asked{old, func() {
		if r.mu.TryLock() { // the successor can get in here
			r.mu.Unlock()
			succeed()
		}
	}}, "old")
	succeed()
	requireValue(t, "new", &r)
}

func TestGetWaitsForAValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Ref[string]
		got := getting(t, &r)
		synctest.Wait()
		require.Empty(t, got)

		ctx, end := newRun()
		defer end()
		r.Set(ctx, "addr")
		synctest.Wait()
		require.Equal(t, "addr", <-got)
	})
}

func TestGetWaitsForTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Ref[int]
		for restarts := range 3 {
			time.AfterFunc(time.Duration(2*restarts+1)*time.Second, func() {
				ctx, end := newRun()
				r.Set(ctx, restarts)
				time.AfterFunc(time.Second, end)
			})
		}
		began := time.Now()
		for restarts := range 3 {
			v, err := r.Get(context.Background())
			require.NoError(t, err)
			require.Equal(t, restarts, v)
			require.Equal(t, time.Duration(2*restarts+1)*time.Second, time.Since(began))
			time.Sleep(1500 * time.Millisecond) // until that run has ended
		}
	})
}

func TestGetKeepsWaitingIfTheValueIsGoneWhenItWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Ref[string]
		got := getting(t, &r)
		synctest.Wait()

		// This run ends just after Set has checked that it has not ended.
		brief, end := newRun()
		r.Set(asked{brief, end}, "gone")
		synctest.Wait()
		require.Empty(t, got)

		ctx, end := newRun()
		defer end()
		r.Set(ctx, "addr")
		require.Equal(t, "addr", <-got)
	})
}

func TestGetReturnsTheCauseOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Ref[string]
		began := time.Now()
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errOver)
		defer cancel()

		v, err := r.Get(ctx)
		require.Equal(t, errOver, err)
		require.Empty(t, v)
		require.Equal(t, time.Second, time.Since(began))

		_, err = r.Get(ctx)
		require.Equal(t, errOver, err, "a context that had ended before")
		require.Equal(t, time.Second, time.Since(began))

		plain, cancelPlain := context.WithCancel(context.Background())
		cancelPlain()
		_, err = r.Get(plain)
		require.Equal(t, context.Canceled, err)
	})
}

func TestGetReturnsAValueEvenIfItsContextHasEnded(t *testing.T) {
	var r Ref[string]
	ctx, end := newRun()
	defer end()
	r.Set(ctx, "addr")
	past, endPast := newRun()
	endPast()
	v, err := r.Get(past)
	require.NoError(t, err)
	require.Equal(t, "addr", v)
}

func TestGetRefusesANilContext(t *testing.T) {
	var r Ref[string]
	var none context.Context
	_, err := r.Get(none)
	require.EqualError(t, err, "child: nil context")
}

func TestAllWaitingGetsReceiveTheValue(t *testing.T) {
	var r Ref[int]
	var getters, setters sync.WaitGroup
	for range 50 {
		getters.Go(func() {
			v, err := r.Get(context.Background())
			if err != nil || v == 0 {
				t.Errorf("got %v, %v", v, err)
			}
		})
	}
	for i := range 8 {
		setters.Go(func() {
			brief, end := newRun()
			r.Set(brief, i+1)
			r.Load()
			end()
		})
	}
	setters.Wait()
	last, end := newRun()
	defer end()
	r.Set(last, 9)
	getters.Wait()
	requireValue(t, 9, &r)
}

// fakeOracle is an oracle whose wakes are sent by the test.
type fakeOracle struct {
	gone    bool
	wake    chan<- struct{}
	watches int
	asked   func()
}

func (f *fakeOracle) Path() string { return "/shop/db" }

func (f *fakeOracle) Gone(wake chan<- struct{}) (gone bool, forget func()) {
	if f.asked != nil {
		f.asked()
	}
	if f.gone {
		return true, nil
	}
	f.wake = wake
	f.watches++
	return false, func() { f.watches-- }
}

// newRunWithFate is newRun for a child with a fake oracle.
func newRunWithFate(f *fakeOracle) (ctx Context, end func()) {
	inner, cancel := context.WithCancelCause(context.WithValue(context.Background(), runkey.Fate{}, runkey.Oracle(f)))
	return FromContext(inner), func() { cancel(errOver) }
}

func TestGetOfAChildThatIsGoneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Ref[string]
		fate := new(fakeOracle)
		ctx, end := newRunWithFate(fate)
		r.Set(ctx, "addr")
		requireValue(t, "addr", &r)
		end()

		result := make(chan error)
		go func() {
			_, err := r.Get(context.Background())
			result <- err
		}()
		synctest.Wait()
		require.Equal(t, 1, fate.watches)
		fate.wake <- struct{}{}
		synctest.Wait()
		require.Equal(t, 1, fate.watches, "the child may come back; there is only one watch")
		fate.gone = true
		fate.wake <- struct{}{}
		err := <-result
		require.ErrorIs(t, err, ErrGone)
		require.EqualError(t, err, "/shop/db: gone for good")
		require.Zero(t, fate.watches)

		again, endAgain := newRun()
		r.Set(again, "of another")
		requireValue(t, "of another", &r)
		endAgain()
		got := getting(t, &r)
		synctest.Wait()
		require.Empty(t, got, "the fate of this child is unknown")
		last, endLast := newRun()
		defer endLast()
		r.Set(last, "x")
		<-got
	})
}

func TestGetRemovesItsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Ref[string]
		fate := new(fakeOracle)
		ctx, end := newRunWithFate(fate)
		r.Set(ctx, "addr")
		end()

		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := r.Get(short)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Zero(t, fate.watches)

		got := getting(t, &r)
		synctest.Wait()
		require.Equal(t, 1, fate.watches)
		next, endNext := newRun()
		defer endNext()
		r.Set(next, "next")
		require.Equal(t, "next", <-got)
		require.Zero(t, fate.watches)
	})
}

// Another child may set a value between two steps of Get.
func TestGetReturnsAValueThatIsSetWhileItChecksForGone(t *testing.T) {
	var r Ref[string]
	next, endNext := newRun()
	defer endNext()
	fate := &fakeOracle{gone: true, asked: func() { r.Set(next, "of another") }}
	ctx, end := newRunWithFate(fate)
	r.Set(ctx, "addr")
	end()
	got, err := r.Get(context.Background())
	require.NoError(t, err)
	require.Equal(t, "of another", got)
}

func TestWithdrawnValueIsCollected(t *testing.T) {
	type connection [1024]byte
	var r Ref[*connection]
	ctx, end := newRun()
	conn := weak.Make(func() *connection {
		c := new(connection)
		r.Set(ctx, c)
		return c
	}())
	runtime.GC()
	require.NotNil(t, conn.Value(), "the Ref still has it")

	end()
	requireNoValue(t, &r)
	runtime.GC()
	require.Nil(t, conn.Value())
	runtime.KeepAlive(&r)
}

func TestRefCallsNoMethodOfAContextUnderItsLock(t *testing.T) {
	var r Ref[int]
	inner, end := newRun()
	ctx := asked{inner, func() {
		if !r.mu.TryLock() {
			t.Error("Err is called under the lock")
			return
		}
		r.mu.Unlock()
	}}
	r.Set(ctx, 1)
	requireValue(t, 1, &r)
	end()
	requireNoValue(t, &r)
	r.Set(ctx, 2)
	requireNoValue(t, &r)
}

func TestValueThatIsSetWhileGetFindsTheOldOneEndedIsReturned(t *testing.T) {
	var r Ref[int]
	old, end := newRun()
	next, endNext := newRun()
	defer endNext()
	succeed := func() {}
	r.Set(asked{old, func() { succeed() }}, 1)
	end()
	succeed = sync.OnceFunc(func() { r.Set(next, 2) })
	v, err := r.Get(context.Background())
	require.NoError(t, err)
	require.Equal(t, 2, v)
}

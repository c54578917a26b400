package gate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func newTestHold(t *testing.T, late func(error)) *hold {
	base := Now()
	g := New(Spec{Name: "x", Late: late})
	h := newHold(g, t.Context(), &jump{}, func() time.Duration { return Now().since(base) })
	t.Cleanup(func() { h.cancel(nil) })
	return h
}

// A run that begins after everything has ended, because it was abandoned before it began,
// does not call what is guarded.
func TestNothingStartsUnderALeaseThatIsOver(t *testing.T) {
	h := newTestHold(t, nil)
	require.True(t, h.close())
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrLost)
	err := h.around(child.FromContext(ctx), func(child.Context) error {
		t.Error("it runs")
		return nil
	})
	require.ErrorIs(t, err, ErrLost)
}

// With a lease that does not end, the watch ends with the last run.
func TestTheWatchEndsWithTheLastRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHold(t, func(error) { t.Error("nothing is late") })
		watched := make(chan bool)
		go func() {
			h.watch(time.Second)
			close(watched)
		}()
		free := make(chan struct{})
		go func() { _ = h.around(child.FromContext(t.Context()), func(child.Context) error { <-free; return nil }) }()
		synctest.Wait()
		require.False(t, h.close())
		synctest.Wait()
		select {
		case <-watched:
			t.Fatal("something still runs")
		default:
		}
		close(free)
		<-watched
	})
}

// The end of a lease may move while the watch waits for it, in both directions.
func TestTheWatchFollowsTheEndOfTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan error, 1)
		h := newTestHold(t, func(err error) { late <- err })
		free := make(chan struct{})
		go func() { _ = h.around(child.FromContext(t.Context()), func(child.Context) error { <-free; return nil }) }()
		synctest.Wait()
		began := time.Now()
		h.leaseEnds(time.Hour, true)
		go h.watch(time.Minute)
		time.Sleep(time.Second)
		h.leaseEnds(10*time.Second, true)
		time.Sleep(time.Second)
		h.leaseEnds(20*time.Second, true)
		require.Error(t, <-late)
		require.Equal(t, 20*time.Second, time.Since(began))
		close(free)
	})
}

// What is guarded ends because the gate is stopped, and says so before the loop has noticed
// the stop. That is not an own end.
func TestAStopThatTheLoopNoticesLastIsNoFailure(t *testing.T) {
	for range 20 { // the loop takes either of the two first
		synctest.Test(t, func(t *testing.T) {
			g := New(Spec{Name: "x", Elector: Alone(), Run: func(ctx child.Context) error {
				err := ctx.Ready()
				<-ctx.Done()
				return err
			}})
			ctx, cancel := context.WithCancel(t.Context())
			m, err := g.begin(child.FromContext(ctx))
			require.NoError(t, err)
			done := make(chan error)
			go func() { done <- m.run() }()
			synctest.Wait()
			require.True(t, g.Open())
			m.post(func() {
				cancel()
				time.Sleep(time.Second) // until what is guarded has ended
			})
			require.NoError(t, <-done)
			require.Zero(t, m.core.Rest())
		})
	}
}

// A gate may be used in one bubble after another. Their clocks begin at the same time.
func TestARestDoesNotOutliveAClockThatWasSetBack(t *testing.T) {
	fails := true
	g := New(Spec{
		Name:    "x",
		Elector: Flag(time.Second, func(context.Context) (bool, error) { return true, nil }),
		Run: func(ctx child.Context) error {
			if fails {
				return errors.New("boom")
			}
			err := ctx.Ready()
			<-ctx.Done()
			return err
		},
	})
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24 * time.Hour)
		require.ErrorContains(t, g.Run(child.FromContext(t.Context())), "boom")
	})
	fails = false
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(child.FromContext(ctx)) }()
		time.Sleep(10 * time.Second)
		require.True(t, g.Open())
		cancel()
		require.NoError(t, <-done)
	})
}

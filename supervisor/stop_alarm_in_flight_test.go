package supervisor

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// The alarm for a missed heartbeat goes off, and waits for the lock while the child is
// cancelled. It finds a heartbeat in time, but must not set the next alarm, which would
// clear the stop timeout.
func TestAlarmInFlightLeavesTheStopTimeoutAlone(t *testing.T) {
	for tries, inFlight := 0, false; !inFlight; tries++ { // of two timers that are due at once, either may go off first
		require.Less(t, tries, 1000, "the alarm was never in flight")
		synctest.Test(t, func(t *testing.T) {
			free := make(chan struct{})
			release := sync.OnceFunc(func() { close(free) })
			defer release()
			s := New(Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{
				Name: "a", Heartbeat: 2 * time.Second, StopTimeout: time.Second,
				Run: func(ctx child.Context) error {
					err := ctx.Ready()
					time.Sleep(time.Second)
					ctx.Heartbeat()
					<-free
					return err
				},
			}}})
			require.NoError(t, s.Start(t.Context()))
			t.Cleanup(func() { _ = s.Stop(context.Background()) })
			l := s.latest()
			l.mu.Lock()
			time.Sleep(1500 * time.Millisecond) // until the alarm is due, at three quarters
			c := l.m.First()
			inFlight = !runOfChild(c).rareFields().own.Stop()
			stop := newCall(l, "a")
			l.m.Stop(c, false, &stop.Waiter, l.entered())
			l.leave()

			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			var left *StopError
			require.ErrorAs(t, stop.wait(ctx), &left)
			require.Len(t, left.Abandoned, 1)
			require.Equal(t, time.Second, left.Abandoned[0].After)
		})
	}
}

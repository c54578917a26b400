package supervisor_test

import (
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestASubscriberToBatchesThatPanicsOrCallsGoexitContinues(t *testing.T) {
	text := new(safe)
	defaultLog(t, slog.NewTextHandler(text, nil))
	for name, broken := range map[string]func(){"panic": func() { panic("subscriber is broken") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := newRoot(supervisor.Spec{Children: named("a", idle)})
				received := 0
				flush, cancel := sup.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
					received += len(events)
					broken()
				})
				defer cancel()
				require.NoError(t, sup.Start(t.Context()))
				require.NoError(t, flush(t.Context()))
				require.Equal(t, 3, received)
				require.NoError(t, sup.Stop(t.Context()))
				require.Equal(t, 7, received)
			})
		})
	}
	require.Contains(t, text.String(), `err="panic: subscriber is broken"`)
	require.Contains(t, text.String(), "events=4")
}

// An exiting error ends the goroutine that asks it for what it wraps.
type exiting struct{}

func (exiting) Error() string { return "exiting" }

func (exiting) Unwrap() error { runtime.Goexit(); return nil }

func TestAnErrorThatCallsGoexitLosesNoEventOfItsBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		synctest.Wait()
		failed := batchesOf(t, sup, time.Second, supervisor.EventFailed)
		for _, name := range []string{"a", "b"} {
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: name, Restart: child.Temporary, Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				return exiting{}
			}}))
		}
		time.Sleep(time.Minute)
		got := failed.take()
		require.Len(t, got, 1)
		require.Equal(t, "failed failed", got[0].kinds)
	})
}

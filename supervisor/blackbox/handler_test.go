package blackbox

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A handler calls a function for each line.
type handler struct {
	slog.Handler
	f func()
}

func (h handler) Handle(context.Context, slog.Record) error {
	h.f()
	return nil
}

// leave leaves a life in a directory that is reported by the next one.
func leave(t *testing.T, dir string) {
	root := shop(child.Spec{Name: "a", Run: idle})
	stop := watch(root, Spec{Dir: dir, Logger: quiet})
	require.NoError(t, root.Start(t.Context()))
	stop()
	require.NoError(t, root.Stop(context.Background()))
}

func TestALogHandlerThatPanicsIsIgnored(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir)
	calls := 0
	root := shop(child.Spec{Name: "a", Run: idle})
	live(t, root, Spec{Dir: dir, Logger: slog.New(handler{enabled{}, func() { calls++; panic("handler") }})}, func() {})
	require.Equal(t, 1, calls)
	require.Equal(t, Clean, lives(t, dir)[1].End)
}

// enabled is a handler that is enabled.
type enabled struct{ slog.Handler }

func (enabled) Enabled(context.Context, slog.Level) bool { return true }

func TestALogHandlerThatHangsHoldsUpNothingButTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		leave(t, dir)
		hang := make(chan struct{})
		defer close(hang)
		root := shop(child.Spec{Name: "a", Run: idle})
		began := time.Now()
		stop := Watch(root, Spec{Dir: dir, Logger: slog.New(handler{enabled{}, func() { <-hang }})})
		require.Equal(t, openWait, time.Since(began))
		require.NoError(t, root.Start(t.Context()))
		require.Equal(t, openWait, time.Since(began))
		require.NoError(t, root.Stop(context.Background()))
		require.Equal(t, openWait+overWait, time.Since(began), "it waits for dumps")
		stop()
		require.Equal(t, openWait+overWait+stopWait-endWait, time.Since(began))
		l := lives(t, dir)[1]
		require.Equal(t, Clean, l.End)
		events, err := l.Events(1)
		require.NoError(t, err)
		require.Equal(t, supervisor.EventOver, events[0].Kind)
	})
}

package supervisor_test

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A level may be lowered while the tree runs. It is checked after each line.
func TestLevelOfTheLogIsCheckedAgainAfterEachLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		level := new(slog.LevelVar)
		level.Set(slog.LevelError)
		text, p := new(safe), newPuppet()
		sup := start(t, supervisor.Spec{
			Logger:   slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: level})),
			Children: []child.Spec{{Name: "a", Run: p.Run}, {Name: "b", Run: idle}},
		})
		require.NoError(t, sup.RestartChild(t.Context(), "b"))
		synctest.Wait()
		require.Empty(t, text.String())
		level.Set(slog.LevelDebug)
		p.end(errBoom) // a line
		require.NoError(t, sup.RestartChild(t.Context(), "b"))
		synctest.Wait()
		require.Contains(t, text.String(), "path=/root/a")
		require.Contains(t, text.String(), "path=/root/b")
	})
}

// A moody handler panics in Enabled, as long as the test wants.
type moody struct {
	slog.Handler
	panics *atomic.Bool
}

func (h moody) Enabled(ctx context.Context, level slog.Level) bool {
	if h.panics.Load() {
		panic("Enabled")
	}
	return h.Handler.Enabled(ctx, level)
}

// Then every level counts as enabled, and the attempt to write shows the panic.
func TestLoggerWhoseEnabledPanicsDelaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fallback, text := new(safe), new(safe)
		defaultLog(t, slog.NewTextHandler(fallback, nil))
		panics := new(atomic.Bool)
		panics.Store(true)
		sup := start(t, supervisor.Spec{
			Logger:   slog.New(moody{slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}), panics}),
			Children: []child.Spec{{Name: "a", Run: idle}},
		})
		synctest.Wait()
		require.Empty(t, text.String())
		require.Contains(t, fallback.String(), "event subscriber panicked")
		require.Contains(t, fallback.String(), "Enabled")
		require.Contains(t, fallback.String(), "path=/root/a")
		panics.Store(false)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		synctest.Wait()
		require.Contains(t, text.String(), "path=/root/a")
	})
}

// Only the first check of the levels may panic.
func TestLoggerWhoseEnabledPanicsOnceStillWrites(t *testing.T) {
	bubble(t, func(t *testing.T) {
		defaultLog(t, slog.NewTextHandler(io.Discard, nil))
		text, panics := new(safe), new(atomic.Bool)
		panics.Store(true)
		sup := start(t, supervisor.Spec{
			Logger: slog.New(moody{slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}), panics}),
			Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				panics.Store(false)
				return idle(ctx)
			}}},
		})
		synctest.Wait()
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		synctest.Wait()
		require.Contains(t, text.String(), "path=/root/a")
	})
}

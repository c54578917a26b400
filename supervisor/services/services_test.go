package services_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/services"
	"github.com/coppice-go/coppice/supervisortest"
)

var idle = testkit.Idle

func lookup(t *testing.T, sup *supervisor.Supervisor, name string) child.Status {
	t.Helper()
	status, ok := sup.Lookup(name)
	require.True(t, ok, "no child %s", name)
	return status
}

// defaultLog makes h the handler of the default logger during the test.
func defaultLog(t *testing.T, h slog.Handler) {
	before := slog.Default()
	slog.SetDefault(slog.New(h))
	t.Cleanup(func() { slog.SetDefault(before) })
}

// freshDefault gives a test its own default root.
func freshDefault(t *testing.T) {
	before := services.SetDefault(nil)
	t.Cleanup(func() {
		if mine := services.SetDefault(before); mine != nil {
			_ = mine.Stop(context.Background())
		}
	})
}

func TestTheDefaultRootIsMadeOnFirstUseAndRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		freshDefault(t)
		root := services.Default()
		require.Same(t, root, services.Default())
		require.Equal(t, "/root", root.Path())
		require.Equal(t, strategy.Independent, root.Tree().Strategy)
		require.NoError(t, services.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
		require.Equal(t, child.Running, lookup(t, root, "a").State)
		require.NoError(t, services.Default().Stop(t.Context()))
		require.ErrorIs(t, services.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}), supervisor.ErrNotRunning)
		require.NoError(t, services.Default().Start(t.Context()), "it can be started again")
		require.NoError(t, services.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
	})
}

func TestChildThatKeepsFailingDoesNotEndTheDefaultRoot(t *testing.T) {
	defaultLog(t, slog.DiscardHandler)
	synctest.Test(t, func(t *testing.T) {
		freshDefault(t)
		fails := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			return errors.New("boom")
		}
		require.NoError(t, services.Default().StartChild(t.Context(), child.Spec{Name: "good", Run: idle}))
		require.NoError(t, services.Default().StartChild(t.Context(), child.Spec{Name: "bad", Run: fails}))
		time.Sleep(time.Hour)
		require.Equal(t, child.Running, lookup(t, services.Default(), "good").State)
		require.Greater(t, lookup(t, services.Default(), "bad").Restarts, 100)
	})
}

func TestATestCanPutItsOwnRootInPlaceOfTheDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := supervisortest.Start(t, supervisor.Spec{Name: "mine"})
		before := services.SetDefault(mine)
		require.Same(t, mine, services.Default())
		require.NoError(t, services.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
		require.Same(t, mine, services.SetDefault(before))
		require.Equal(t, child.Running, lookup(t, mine, "a").State, "SetDefault did not stop it")
	})
}

// askingHandler calls Default from Enabled.
type askingHandler struct {
	slog.Handler
	asked *int
}

func (h askingHandler) Enabled(context.Context, slog.Level) bool {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // once
	services.Default()
	*h.asked++
	return false
}

func TestDefaultMayBeCalledWhileTheDefaultRootStarts(t *testing.T) {
	defaultLog(t, slog.DiscardHandler)
	synctest.Test(t, func(t *testing.T) {
		freshDefault(t)
		asked := 0
		slog.SetDefault(slog.New(askingHandler{slog.DiscardHandler, &asked}))
		require.Same(t, services.Default(), services.Default())
		require.NotZero(t, asked, "the start asked the handler")
	})
}

func TestConcurrentFirstCallsReturnTheSameDefaultRoot(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("", func(t *testing.T) {
		freshDefault(t)
		var all sync.WaitGroup
		roots := make(chan *supervisor.Supervisor, 20)
		for range cap(roots) {
			all.Go(func() { roots <- services.Default() })
		}
		all.Wait()
		close(roots)
		for root := range roots {
			require.Same(t, services.Default(), root)
		}
	})
}

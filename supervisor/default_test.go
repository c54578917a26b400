package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// freshDefault gives a test a default root of its own.
func freshDefault(t *testing.T) {
	before := supervisor.SetDefault(nil)
	t.Cleanup(func() {
		if mine := supervisor.SetDefault(before); mine != nil {
			_ = mine.Stop(context.Background())
		}
	})
}

func TestTheDefaultRootIsMadeOnFirstUseAndRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		freshDefault(t)
		root := supervisor.Default()
		require.Same(t, root, supervisor.Default())
		require.Equal(t, "/root", root.Path())
		require.Equal(t, strategy.Independent, root.Tree().Strategy)
		require.NoError(t, supervisor.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
		require.Equal(t, child.Running, state(t, root, "a"))
		require.NoError(t, supervisor.Default().Stop(t.Context()))
		require.ErrorIs(t, supervisor.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}), supervisor.ErrNotRunning)
		require.NoError(t, supervisor.Default().Start(t.Context()), "it can be opened again")
		require.NoError(t, supervisor.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
	})
}

func TestAChildThatKeepsFailingDoesNotEndTheDefaultRoot(t *testing.T) {
	defaultLog(t, slog.DiscardHandler)
	bubble(t, func(t *testing.T) {
		freshDefault(t)
		fails := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			return errBoom
		}
		require.NoError(t, supervisor.Default().StartChild(t.Context(), child.Spec{Name: "good", Run: idle}))
		require.NoError(t, supervisor.Default().StartChild(t.Context(), child.Spec{Name: "bad", Run: fails}))
		time.Sleep(time.Hour)
		require.Equal(t, child.Running, state(t, supervisor.Default(), "good"))
		require.Greater(t, lookup(t, supervisor.Default(), "bad").Restarts, 100)
	})
}

func TestATestCanPutItsOwnRootInPlaceOfTheDefault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mine := start(t, supervisor.Spec{Name: "mine"})
		before := supervisor.SetDefault(mine)
		require.Same(t, mine, supervisor.Default())
		require.NoError(t, supervisor.Default().StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
		require.Same(t, mine, supervisor.SetDefault(before))
		require.Equal(t, child.Running, state(t, mine, "a"), "it was not stopped by that")
	})
}

// askingHandler asks for the default root when it is asked for its levels.
type askingHandler struct{ slog.Handler }

func (h askingHandler) Enabled(context.Context, slog.Level) bool {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // once
	supervisor.Default()
	return false
}

func TestMakingTheDefaultRootMayAskForIt(t *testing.T) {
	defaultLog(t, slog.DiscardHandler)
	bubble(t, func(t *testing.T) {
		freshDefault(t)
		slog.SetDefault(slog.New(askingHandler{slog.DiscardHandler}))
		require.Same(t, supervisor.Default(), supervisor.Default())
	})
}

func TestManyWhoAskFirstGetTheSameDefaultRoot(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("", func(t *testing.T) {
		freshDefault(t)
		var all sync.WaitGroup
		roots := make(chan *supervisor.Supervisor, 20)
		for range cap(roots) {
			all.Go(func() { roots <- supervisor.Default() })
		}
		all.Wait()
		close(roots)
		for root := range roots {
			require.Same(t, supervisor.Default(), root)
		}
	})
}

func ExampleDefault() {
	ctx := context.Background()
	poller := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	// Anywhere in the program:
	err := supervisor.Default().StartChild(ctx, child.Spec{Name: "poller", Run: poller, Restart: child.Temporary})
	fmt.Println(err)
	fmt.Print(supervisor.Default().Tree())
	// At its end:
	fmt.Println(supervisor.Default().Stop(ctx))
	supervisor.SetDefault(nil) // not to leave an ended one to the other examples
	// Output:
	// <nil>
	// root       running   independent
	// └─ poller  running   temporary
	// <nil>
}

func ExampleSetDefault() {
	mine := supervisor.New(supervisor.Spec{Name: "shop"})
	before := supervisor.SetDefault(mine)
	defer supervisor.SetDefault(before)
	fmt.Println(supervisor.Default().Path())
	// Output: /shop
}

package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/stretchr/testify/require"
)

// runKeeper runs the keeper once without a supervisor. The channel receives its panic value, or nil.
func runKeeper(ctx context.Context, k *keeper) (ended chan any) {
	ended = make(chan any, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer func() {
			cancel() // as a supervisor does after Run has returned
			ended <- recover()
		}()
		if err := k.Run(child.FromContext(ctx)); err != nil {
			panic(err)
		}
	}()
	return ended
}

func TestKeeperRecoversFromTornWrites(t *testing.T) {
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	k := &keeper{path: filepath.Join(t.TempDir(), "journal"), root: "root", log: slog.New(slog.DiscardHandler), chaos: newChaos()}
	sources := someSources(5)

	for i := range len(sources) - 1 {
		ended := runKeeper(ctx, k)
		s, err := k.current.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i, s.stats().Files, "the index has all complete records and not the torn one")
		require.NoError(t, s.record(ctx, sources[:i+1]))

		order := crash{kind: "torn", torn: true, cut: float64(i) / 5}
		require.True(t, k.chaos.order(ctx, "", order)) // a run without a supervisor has no path
		require.ErrorIs(t, s.record(ctx, sources), errKeeperGone)
		require.Equal(t, order, <-ended)
	}

	ended := runKeeper(ctx, k)
	s, err := k.current.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, s.record(ctx, sources))
	cancel()
	require.Nil(t, <-ended)

	faults := newFaults()
	kept, err := reread(k.path, "root", faults.add)
	require.NoError(t, err)
	compare(indexOf(sources), kept, faults.add)
	require.NoError(t, faults.err())
}

func TestKeeperKeepsTheContract(t *testing.T) {
	supervisortest.Check(t, func() child.Runnable {
		return &keeper{path: filepath.Join(t.TempDir(), "journal"), root: "root", log: slog.New(slog.DiscardHandler)}
	})
}

func TestKeeperEscalatesOnAForeignFile(t *testing.T) {
	path := filepath.Join(plant(t, map[string]string{"notes": "my diary"}), "notes")
	k := &keeper{path: path, root: "root", log: slog.New(slog.DiscardHandler)}
	err := k.Run(child.FromContext(t.Context()))
	require.ErrorIs(t, err, errForeign)
}

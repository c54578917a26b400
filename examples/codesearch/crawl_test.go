package main

import (
	"context"
	"log/slog"
	"net"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/stretchr/testify/require"
)

func testConfig(t *testing.T, root string, c *chaos) config {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return config{
		root: root, journal: filepath.Join(t.TempDir(), "journal"), addr: "127.0.0.1:0", debug: ln,
		workers: 2, batch: 3, chaos: c, log: slog.New(slog.DiscardHandler),
	}
}

// The crawler does not start jobs for files that the journal has, so the invented records remain.
func TestCrawlerSkipsWhatTheJournalHas(t *testing.T) {
	root, files := forest(t, 12)
	cfg := testConfig(t, root, nil)
	all, err := list(root, func(error) {})
	require.NoError(t, err)
	require.ElementsMatch(t, files, all)

	j, err := openJournal(cfg.journal, root)
	require.NoError(t, err)
	for _, f := range append(all[:7:7], all[9:]...) { // batches 0, 1 and 3 in full, one file of batch 2
		require.NoError(t, j.record([]source{{Path: f, Idents: map[string]int{"invented": 1}}}))
	}
	require.NoError(t, j.close())

	svc := newService(cfg)
	ctx := soon(t)
	events := supervisortest.Record(t, svc.root)
	require.NoError(t, svc.root.Start(ctx))
	events.AwaitAll(t,
		supervisortest.Match{Kind: supervisor.EventCompleted, Path: "crawler"},
		supervisortest.Match{Kind: supervisor.EventCompleted, Path: "jobs/batch-0002"})
	live, err := svc.keeper.current.Get(ctx)
	require.NoError(t, err)
	require.Len(t, live.search("invented"), 10)
	require.Len(t, live.search("shared"), 2)
	require.NoError(t, svc.root.Stop(ctx))
	for _, e := range events.Events() {
		if path.Dir(e.Path) == "/codesearch/jobs" {
			require.Equal(t, "batch-0002", path.Base(e.Path), "the others are in the journal")
		}
	}
}

// withSlowJournal returns a crawler of 6 files, two jobs at a time, whose jobs run until their writes are answered.
func withSlowJournal(t *testing.T, size int) (ctx context.Context, c *crawler, writes chan write) {
	root, _ := forest(t, 6)
	jobs := supervisortest.Start(t, supervisor.Spec{
		Strategy: strategy.Independent, MaxChildren: 2, Backoff: child.Constant(time.Hour),
	})
	ctx, cancel := context.WithCancel(soon(t))
	t.Cleanup(cancel) // runs before the stop, so that no job waits for the journal any more
	k, writes := &keeper{}, make(chan write)
	k.current.Set(child.FromContext(ctx), &store{index: newIndex(), life: ctx, writes: writes})
	return ctx, &crawler{root: root, size: size, keeper: k, jobs: jobs}, writes
}

// A restarted crawler does not start batches that are still running.
func TestCrawlerDoesNotStartABatchTwice(t *testing.T) {
	ctx, c, writes := withSlowJournal(t, 3)
	for range 3 {
		require.NoError(t, c.Run(child.FromContext(ctx)))
		require.Equal(t, 2, c.jobs.Count().Active)
	}
	first, second := <-writes, <-writes
	require.NotEqual(t, first.sources, second.sources)
	first.done <- nil
	second.done <- nil
	require.NoError(t, until(ctx, c.jobs, func() bool { return c.jobs.Count().Specs == 0 }))
}

// If MaxChildren jobs are running, the crawler waits until one has ended.
func TestCrawlerWaitsForAFreeJob(t *testing.T) {
	ctx, c, writes := withSlowJournal(t, 2)
	done := make(chan error, 1)
	go func() { done <- c.Run(child.FromContext(ctx)) }()

	first, second := <-writes, <-writes
	require.Equal(t, 2, c.jobs.Count().Active)
	require.Empty(t, done, "one batch has not been started")
	first.done <- nil
	third := <-writes
	require.NoError(t, <-done)
	second.done <- nil
	third.done <- nil
	require.NoError(t, until(ctx, c.jobs, func() bool { return c.jobs.Count().Specs == 0 }))
}

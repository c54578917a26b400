package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// crawler is the child that walks the source tree and starts a job for each batch of files. It ends when all jobs have been
// started. It keeps no state: the journal has the finished files, the supervision tree has the batches in progress.
type crawler struct {
	root   string
	size   int // files in a batch
	keeper *keeper
	jobs   *supervisor.Supervisor // its MaxChildren limits the number of jobs
	chaos  *chaos
}

func (c *crawler) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	journal, err := c.keeper.current.Get(ctx)
	if err != nil {
		return err
	}
	free := make(chan struct{}, 1)
	defer c.jobs.Subscribe(func(supervisor.Event) {
		select {
		case free <- struct{}{}:
		default: // there is a signal already
		}
	}, supervisor.EventCompleted, supervisor.EventStopped, supervisor.EventAbandoned)()

	files, err := list(c.root, ctx.OnError)
	if err != nil {
		return err
	}
	for n, batch := range batches(files, c.size) {
		todo := journal.missing(batch)
		if len(todo) == 0 {
			continue
		}
		ctx.Status(fmt.Sprintf("%d of %d files", n*c.size, len(files)))
		if err := c.handOut(ctx, n, todo, free); err != nil {
			return err
		}
	}
	return nil
}

// handOut starts the job for a batch as soon as MaxChildren allows.
func (c *crawler) handOut(ctx child.Context, n int, files []string, free <-chan struct{}) error {
	j := &job{root: c.root, files: files, keeper: c.keeper, chaos: c.chaos}
	for {
		c.chaos.point(ctx)
		err := c.jobs.StartChild(ctx, child.Spec{Name: fmt.Sprintf("batch-%04d", n), Run: j.Run, Restart: child.Transient})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, supervisor.ErrDuplicate):
			return nil // an earlier run of the crawler started it and it is still running
		case errors.Is(err, supervisor.ErrMaxChildren):
			select {
			case <-free:
			case order := <-c.chaos.wire(ctx.Path()):
				panic(order)
			case <-ctx.Done():
				return nil
			}
		case errors.Is(err, supervisor.ErrNotRunning):
			// jobs is restarting, so RestForOne will restart this crawler in a moment.
			if child.Sleep(ctx, 50*time.Millisecond) {
				return nil
			}
		default:
			return err
		}
	}
}

// batches splits the files into numbered batches. The caller always passes the whole list, so that a number stands for the
// same files in every run of the crawler.
func batches(files []string, size int) [][]string {
	return slices.Collect(slices.Chunk(files, size))
}

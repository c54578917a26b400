package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// crawler is the child that walks the tree and hands out batches of files, and ends when all are handed out. It keeps no
// record of its own: what is done is in the journal, what is being done is in the tree of supervisors.
type crawler struct {
	root   string
	size   int // files in a batch
	keeper *keeper
	jobs   *supervisor.Supervisor // its MaxChildren is the number of jobs at a time
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
		default: // one is waiting to be seen already
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
		if err := c.handOut(ctx, n, todo, free); err != nil {
			return err
		}
	}
	return nil
}

// handOut starts the job for a batch as soon as there is room for it.
func (c *crawler) handOut(ctx child.Context, n int, files []string, free <-chan struct{}) error {
	j := &job{root: c.root, files: files, keeper: c.keeper, chaos: c.chaos}
	for {
		c.chaos.point(ctx)
		err := c.jobs.StartChild(ctx, child.Spec{Name: fmt.Sprintf("batch-%04d", n), Run: j.Run, Restart: child.Transient})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, supervisor.ErrDuplicate):
			return nil // handed out before this crawler was restarted, and still at work
		case errors.Is(err, supervisor.ErrMaxChildren):
			select {
			case <-free:
			case order := <-c.chaos.wire(ctx.Path()):
				panic(order)
			case <-ctx.Done():
				return nil
			}
		case errors.Is(err, supervisor.ErrNotRunning):
			// If jobs is being restarted, so are we, in a moment.
			if child.Sleep(ctx, 50*time.Millisecond) {
				return nil
			}
		default:
			return err
		}
	}
}

// batches cuts the files into numbered batches. It always gets the whole list, so that a number means the same files to
// every run of the crawler.
func batches(files []string, size int) [][]string {
	return slices.Collect(slices.Chunk(files, size))
}

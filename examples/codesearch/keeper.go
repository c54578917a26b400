package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/coppice-go/coppice/child"
)

// keeper is the child that owns the journal: no other goroutine writes to it. Each run opens the file again and reuses
// nothing that an earlier run had in memory.
type keeper struct {
	path, root string
	log        *slog.Logger
	chaos      *chaos
	current    child.Ref[*store] // for jobs, crawler and http: the store of the current run
}

// store is what a run of the keeper publishes. Callers read the index directly and write through the keeper's goroutine.
type store struct {
	*index
	life   context.Context // of the keeper's run
	writes chan write
}

type write struct {
	sources []source
	done    chan error // buffered, so that the keeper never blocks
}

var errKeeperGone = errors.New("the keeper of the journal has ended")

func (k *keeper) Run(ctx child.Context) (err error) {
	j, err := openJournal(k.path, k.root)
	if errors.Is(err, errForeign) {
		return child.Escalate(err) // a retry would not help
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	if j.cut > 0 {
		k.log.Info("cut a torn record", "journal", k.path, "bytes", j.cut)
	}
	wire, tear := k.chaos.wire(ctx.Path()), k.chaos.tear(j)

	report := func() { ctx.Status(plural(j.index.stats().Files, "file")) } // shown by Tree and the page
	report()
	s := &store{index: j.index, life: ctx, writes: make(chan write)}
	k.current.Set(ctx, s)
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case order := <-wire:
			tear(order)
			wire = nil // after an order for a torn write, the next write panics
		case w := <-s.writes:
			err := j.record(w.sources)
			w.done <- err
			if err != nil {
				return err // the next run reads what the file really holds
			}
			report()
		}
	}
}

// record passes sources to the keeper and waits until they are in the journal. After an error some of them may be there;
// it is safe to record them again.
func (s *store) record(ctx context.Context, sources []source) error {
	w := write{sources, make(chan error, 1)}
	select {
	case s.writes <- w:
	case <-s.life.Done():
		return errKeeperGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-w.done:
		return err
	case <-s.life.Done(): // the keeper crashed during this write
		return errKeeperGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

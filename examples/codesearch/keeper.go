package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/coppice-go/coppice/child"
)

// keeper is the child that owns the journal: no other goroutine writes to it. Each run opens the file anew, and trusts
// nothing that an earlier run had in memory.
type keeper struct {
	path, root string
	log        *slog.Logger
	chaos      *chaos
	current    child.Ref[*store] // for jobs, crawler and http: the run of today
}

// store is what one run of the keeper offers. Reading goes straight to the index, writing through the keeper's goroutine.
type store struct {
	*index
	life   context.Context // of the keeper's run
	writes chan write
}

type write struct {
	sources []source
	done    chan error // has room for one, so that the keeper never waits
}

var errKeeperGone = errors.New("the keeper of the journal is gone")

func (k *keeper) Run(ctx child.Context) (err error) {
	j, err := openJournal(k.path, k.root)
	if errors.Is(err, errForeign) {
		return child.Escalate(err) // trying again would not make it ours
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	if j.cut > 0 {
		k.log.Info("cut a torn record", "journal", k.path, "bytes", j.cut)
	}
	wire, tear := k.chaos.wire(ctx.Path()), k.chaos.tear(j)

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
			wire = nil // if it still lives, the next write ends it
		case w := <-s.writes:
			err := j.record(w.sources)
			w.done <- err
			if err != nil {
				return err // the next run finds out what is in the file
			}
		}
	}
}

// record hands sources to the keeper and waits until they are in the journal. After an error some of them may be;
// offering them again is safe.
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
	case <-s.life.Done(): // it crashed on our write
		return errKeeperGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

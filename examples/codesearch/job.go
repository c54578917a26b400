package main

import (
	"github.com/coppice-go/coppice/child"
)

// job is the child that reads one batch of files and has it recorded. It may crash at any place: the next run skips what
// an earlier one has recorded already.
type job struct {
	root   string
	files  []string
	keeper *keeper
	chaos  *chaos
}

func (j *job) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	journal, err := j.keeper.current.Get(ctx)
	if err != nil {
		return err
	}
	var done []source
	for _, f := range journal.missing(j.files) {
		if ctx.ShouldHalt() {
			break
		}
		j.chaos.point(ctx)
		done = append(done, read(j.root, f))
	}
	// When asked to stop, what is done is still recorded: jobs stop before the journal does.
	if err := journal.record(ctx.Grace(), done); err != nil {
		return err
	}
	j.chaos.point(ctx) // recorded, and nobody has heard of it yet
	return nil
}

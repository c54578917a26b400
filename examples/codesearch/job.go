package main

import (
	"github.com/coppice-go/coppice/child"
)

// job is the child that reads a batch of files and has it recorded. It may crash anywhere: the next run skips the files that
// an earlier one has recorded.
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
	todo := journal.missing(j.files)
	ctx.Status("reads " + plural(len(todo), "file"))
	var done []source
	for _, f := range todo {
		if ctx.ShouldHalt() {
			break
		}
		j.chaos.point(ctx)
		done = append(done, read(j.root, f))
	}
	// A job that must stop still records its finished files, because jobs stop before the journal does.
	if err := journal.record(ctx.Grace(), done); err != nil {
		return err
	}
	j.chaos.point(ctx) // recorded, but the supervisor does not know yet
	return nil
}

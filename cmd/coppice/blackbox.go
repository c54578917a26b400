package main

import (
	"context"
	"flag"
	"path/filepath"

	"github.com/coppice-go/coppice/supervisor/blackbox"
)

func blackboxCommand() *command {
	var (
		n           = 100
		all, stacks bool
	)
	return &command{
		name: "blackbox", path: needed, file: true,
		short: "what a process recorded before it ended",
		long: `
Prints a recording of package blackbox: how the process ended, its dumps, and its last
events in order. DIR is the directory that was given to blackbox.Watch, of which the
newest process that has ended is printed, or the directory of one process or one dump in
it. FILE is any file in those.

-json prints the records as they are stored, one JSON object a line.

The exit status is 1 if the process crashed, or ended without a stop.`,
		flags: func(f *flag.FlagSet) {
			f.IntVar(&n, "n", n, "print the last `number` of events")
			f.BoolVar(&all, "all", false, "print all events that are kept")
			f.BoolVar(&stacks, "stacks", false, "print the stacks of panics, of hung and of abandoned runs")
		},
		run: func(_ context.Context, s *session) error {
			if n < 1 {
				return usageError("-n must be at least 1")
			}
			o := blackbox.Options{Events: n, Stacks: stacks, JSON: s.json}
			if all {
				o.Events = -1
			}
			if err := blackbox.Print(s.out, s.path, o); err != nil {
				return reachError("%w", err)
			}
			if endedBadly(s.path) {
				return errTrouble
			}
			return nil
		},
	}
}

// endedBadly reports whether a directory is that of a process that crashed or was killed,
// or one in which the newest process that has ended did so.
func endedBadly(path string) bool {
	bad := func(l blackbox.Life) bool { return l.End == blackbox.Crashed || l.End == blackbox.Killed }
	lives, _ := blackbox.Lives(path)
	for i := len(lives) - 1; i >= 0; i-- {
		if lives[i].End != blackbox.Running {
			return bad(lives[i])
		}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	lives, _ = blackbox.Lives(filepath.Dir(abs))
	for _, l := range lives {
		if l.Name == filepath.Base(abs) {
			return bad(l)
		}
	}
	return false
}

package supervisor

import "github.com/coppice-go/coppice/child"

// An around is a Spec.Around.
type around func(ctx child.Context, run func(child.Context) error) error

// of returns run with a standing around it.
func (a around) of(run func(child.Context) error) func(child.Context) error {
	return func(ctx child.Context) error { return a(ctx, run) }
}

// surrounded returns a child's Run with all around it that is to be.
func (l *life) surrounded(run func(child.Context) error) func(child.Context) error {
	for _, around := range l.around {
		run = around.of(run)
	}
	return run
}

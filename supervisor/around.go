package supervisor

import "github.com/coppice-go/coppice/child"

// An around is a Spec.Around.
type around func(ctx child.Context, run func(child.Context) error) error

// of returns run with a standing around it.
func (a around) of(run func(child.Context) error) func(child.Context) error {
	return func(ctx child.Context) error { return a(ctx, run) }
}

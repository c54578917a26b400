package supervisor

import "github.com/coppice-go/coppice/child"

// An around is a Spec.Around.
type around func(ctx child.Context, run func(child.Context) error) error

// of returns run with a standing around it.
func (a around) of(run func(child.Context) error) func(child.Context) error {
	return func(ctx child.Context) error { return a(ctx, run) }
}

// surrounded returns the child's Run with all around it that is to be. It is not
// inlined for the sake of the stack: see Ready.
//
//go:noinline
func (r *run) surrounded() func(child.Context) error {
	call := r.spec.Run
	for _, around := range r.life.around {
		call = around.of(call)
	}
	return call
}

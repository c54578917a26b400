package supervisor

import (
	"slices"

	"github.com/coppice-go/coppice/child"
)

// Arounds combines several Spec.Around functions into one. The first is the outermost: it
// is called first and returns last. Nil functions are skipped; Arounds returns nil if
// none is left.
func Arounds(all ...func(ctx child.Context, run func(child.Context) error) error) func(ctx child.Context, run func(child.Context) error) error {
	var inner around
	for _, outer := range slices.Backward(all) {
		if outer == nil {
			continue
		}
		if inner == nil {
			inner = outer
			continue
		}
		rest := inner
		inner = func(ctx child.Context, run func(child.Context) error) error { return outer(ctx, rest.of(run)) }
	}
	return inner
}

// An around is a Spec.Around.
type around func(ctx child.Context, run func(child.Context) error) error

// of returns run wrapped by a.
func (a around) of(run func(child.Context) error) func(child.Context) error {
	return func(ctx child.Context) error { return a(ctx, run) }
}

// surrounded returns the child's Run wrapped by all Arounds that apply to it. It is not
// inlined, to keep the stack small: see Ready.
//
//go:noinline
func (r *run) surrounded() func(child.Context) error {
	call := r.spec.Run
	for _, around := range r.life.around {
		call = around.of(call)
	}
	return call
}

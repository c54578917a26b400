// Package adapt turns functions written for other libraries into the Run of a child. It
// does not import those libraries.
//
// A suture-style Serve(ctx) error needs no adapter: use child.Plain(s.Serve). For the
// rest of a migration see docs/coming-from.md.
package adapt

import (
	"context"
	"errors"
	"sync"

	"github.com/coppice-go/coppice/child"
)

// Actor makes a Run from an actor of github.com/oklog/run: execute works until it is
// done, or until interrupt makes it return. The child is ready at once.
//
// As in that package, interrupt is called once per run: with the cause of the stop if the
// child is stopped, or with the error of execute if that returns by itself. Run returns
// the error of execute unchanged. If interrupt panics, Run returns both errors, joined by
// errors.Join. If execute panics, interrupt is called with child.ErrGoexit. If the child is
// stopped before it is ready, only interrupt is called.
//
// Many pairs work only once, for example one whose interrupt closes a listener that was
// created beforehand. Declare such a child Temporary, or use Actors. If execute or
// interrupt is nil, Actor returns nil, which Validate reports.
func Actor(execute func() error, interrupt func(error)) func(child.Context) error {
	if execute == nil || interrupt == nil {
		return nil
	}
	return func(ctx child.Context) error { return act(ctx, execute, interrupt) }
}

// Actors is Actor with a new pair for each run, so that the child can be restarted. An
// error of new is a failed start. Actors(nil) is nil, which Validate reports.
func Actors(new func() (execute func() error, interrupt func(error), err error)) func(child.Context) error {
	if new == nil {
		return nil
	}
	return func(ctx child.Context) error {
		execute, interrupt, err := new()
		if err != nil {
			return err
		}
		return act(ctx, execute, interrupt)
	}
}

func act(ctx child.Context, execute func() error, interrupt func(error)) (err error) {
	var once sync.Once
	var panicked error // in interrupt
	end := func(why error) {
		once.Do(func() {
			// AfterFunc calls it on another goroutine, where a panic would crash the process.
			defer func() { panicked = child.Recovered(recover()) }()
			interrupt(why)
		})
	}
	unwatch := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	err = child.ErrGoexit // for interrupt, if execute panics or calls Goexit
	defer func() {
		unwatch()
		end(err)
		if panicked != nil {
			err = errors.Join(err, panicked)
		}
	}()
	if err := ctx.Ready(); err != nil {
		return err
	}
	return execute()
}

// Func makes a Run from a function for errgroup's Go. The child is ready at once and
// ends when f returns.
//
// f receives no context, so a supervisor cannot ask it to stop: it must return on its
// own, or be stopped by other means, within the child's stop timeout. If f uses the
// context of an errgroup, pass it the child's context instead, with child.Plain, or with
// child.Task if the next child must wait until f is done. Func(nil) is nil, which
// Validate reports.
func Func(f func() error) func(child.Context) error {
	if f == nil {
		return nil
	}
	return child.Plain(func(context.Context) error { return f() })
}

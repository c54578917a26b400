// Package adapt makes a child's Run of functions in the shapes that other
// libraries use, without importing those.
//
// A suture-style Serve(ctx) error needs none of it: that is child.Plain(s.Serve).
// What else a move takes is in docs/coming-from.md.
package adapt

import (
	"context"
	"errors"
	"sync"

	"github.com/coppice-go/coppice/child"
)

// Actor makes a Run of an actor in the shape of github.com/oklog/run: execute
// works until it is done, or interrupt makes it return. It is ready at once.
//
// As there, interrupt is called once in each run: with the cause when the child is
// stopped, or with what execute returned when it ends by itself. Run returns what
// execute returns, as it is. A panic in interrupt is an error of the run: Run returns
// both, joined by errors.Join.
//
// Many a pair is good for one run, such as one that closes a listener which was
// made before it. Make its child Temporary, or use Actors. Actor of nil is nil,
// which Validate reports.
func Actor(execute func() error, interrupt func(error)) func(child.Context) error {
	if execute == nil || interrupt == nil {
		return nil
	}
	return func(ctx child.Context) error { return act(ctx, execute, interrupt) }
}

// Actors is Actor with a new pair for each run, so that the child can be
// restarted. An error of new is a failed start.
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
	var broken error // the panic of interrupt
	end := func(why error) {
		once.Do(func() {
			// It may be on a goroutine that no supervisor watches.
			defer func() { broken = child.Recovered(recover()) }()
			interrupt(why)
		})
	}
	unwatch := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	err = child.ErrGoexit // what interrupt is told if execute does not return
	defer func() {
		unwatch()
		end(err)
		if broken != nil {
			err = errors.Join(err, broken)
		}
	}()
	if err := ctx.Ready(); err != nil {
		return err
	}
	return execute()
}

// Func makes a Run of a function in the shape that errgroup's Go takes. It is
// ready at once, and ends when f returns.
//
// As f is given no context, nothing tells it to stop: it has to end by itself, or
// by something of its own, within the child's stop timeout. Where it gets a
// context from an errgroup, give it the child's instead: child.Plain, or
// child.Task if the next child is to wait until it is done. Func of nil is nil,
// which Validate reports.
func Func(f func() error) func(child.Context) error {
	if f == nil {
		return nil
	}
	return child.Plain(func(context.Context) error { return f() })
}

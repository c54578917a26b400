package restart

import (
	"context"
	"errors"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func once(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return nil
}

// Permanent is right for what works until it is stopped, or fails.
func idle(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func fails(ctx child.Context) error { return errors.New("boom") }

func independent(ctx context.Context, unknown func(child.Context) error) error {
	jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	spec := child.Spec{Name: "a", Run: once}
	spec.Restart = child.Transient
	changed := child.Spec{Name: "b", Run: once}
	setRestart(&changed)
	return jobs.StartChild(ctx, spec, changed, made(once),
		child.Spec{Name: "c", Run: once, Restart: child.Temporary},
		child.Spec{Name: "d", Run: once, Restart: child.Permanent},
		child.Spec{Name: "e", Run: idle},
		child.Spec{Name: "f", Run: fails},
		child.Spec{Name: "g", Run: unknown},
		child.Spec{Name: "h", Run: child.Task(func(context.Context) error { return nil })},
		child.Spec{Name: "i", Run: child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })})
}

func ordered(ctx context.Context) error {
	sup := supervisor.New(supervisor.Spec{Strategy: strategy.OneForAll})
	another := supervisor.New(supervisor.Spec{})
	if err := another.StartChild(ctx, child.Spec{Name: "a", Run: once}); err != nil {
		return err
	}
	return sup.StartChild(ctx, child.Spec{Name: "a", Run: once})
}

// Nobody knows what this is.
func either(ctx context.Context, given *supervisor.Supervisor) error {
	either := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	if given != nil {
		either = given
	}
	return either.StartChild(ctx, child.Spec{Name: "a", Run: once})
}

func setRestart(spec *child.Spec) { spec.Restart = child.Temporary }

func made(run func(child.Context) error) child.Spec { return child.Spec{Name: "m", Run: run} }

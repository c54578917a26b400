package child

import "context"

// Plain makes a Run from a function that does not call Ready. The child is ready at
// once. In the function, FromContext returns its context as a Context. Plain(nil) is nil,
// which Validate reports.
func Plain(f func(context.Context) error) func(Context) error {
	if f == nil {
		return nil
	}
	return func(ctx Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		return f(ctx)
	}
}

// Task makes a Run from a one-shot job. The child is ready when the job is done, so the
// next child waits for it, and StartChild returns when it is done, with its error. After
// success the child is not restarted by itself, whatever its Restart. An error is a
// failed start. Task(nil) is nil, which Validate reports.
func Task(f func(context.Context) error) func(Context) error {
	if f == nil {
		return nil
	}
	return func(ctx Context) error {
		if err := f(ctx); err != nil {
			return err
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		return ErrDone
	}
}

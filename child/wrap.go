package child

import "context"

// Plain makes a Run of a function that knows nothing of Ready: it is ready at
// once. The function may use its context as a Context by FromContext. Plain of
// nil is nil, which Validate reports.
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

// Task makes a Run of a piece of work: it is ready when the work is done, so
// that the next child waits for it, and StartChild of it returns when it is
// done, with its error. It is not restarted by itself after success, whatever its
// Restart; an error is a failed start. Task of nil is nil, which Validate
// reports.
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

package process

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A Process is a child that runs a program. Make it with New and set child.Spec.Run to its
// Run method.
type Process struct {
	// Current is the program of this run, from the moment that it is ready until it ends
	// or is asked to stop.
	Current child.Ref[*Instance]

	spec Spec
}

// New makes a Process. It cannot fail: Run returns an error if the spec is invalid.
func New(spec Spec) *Process { return &Process{spec: spec} }

// Run starts the program and waits until it has ended. It returns
//
//   - nil if the program ended with status 0 after it was ready, or stopped cleanly when it
//     was asked to: see Spec.Signal,
//   - an *ExitError if it ended in any other way, or had to be killed because it did not
//     stop in time, or
//   - another error if the program could not be started.
//
// When Run returns, the program has ended and its group has been killed. Run is safe to
// call again while an earlier run goes on: each has a program of its own.
func (p *Process) Run(ctx child.Context) error {
	if err := p.spec.check(); err != nil {
		return err
	}
	cmd, err := p.command(ctx)
	if err != nil {
		return err
	}
	ready, err := p.spec.Ready.prepare(ctx)
	if err != nil {
		return err
	}
	defer ready.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cmd.Env = append(cmd.Env, ready.environment(ctx)...)
	if err := ready.allow(cmd); err != nil {
		return err
	}
	out, err := capture(ctx, cmd, p.logger(), ready.line())
	if err != nil {
		return err
	}
	defer out.close()
	h, err := start(cmd, !p.spec.NoGuard, out.begin)
	out.closeWriters()
	if err != nil {
		return fmt.Errorf("process: start: %w", err)
	}
	defer h.destroy() // it has ended already, unless something here has panicked
	ready.begin(ctx)
	return p.supervise(ctx, h, ready, out)
}

// supervise waits until the program has ended, and tells the supervisor about it.
func (p *Process) supervise(ctx child.Context, h *host, ready *readiness, out *output) error {
	if h.unguarded != nil {
		ctx.OnError(fmt.Errorf("process: start of the guard of %s: %w", h.program, h.unguarded))
	}
	text := status{ctx: ctx, host: h}
	text.publish()
	measure := time.NewTicker(measureEvery)
	defer measure.Stop()
	waiting, isReady := ready.done, false
	becomeReady := func() error {
		waiting, isReady = nil, true
		p.Current.Set(ctx, h.instance())
		return ctx.Ready()
	}
	var refused error // what ctx.Ready has returned
	for refused == nil {
		select {
		case <-waiting:
			if refused = becomeReady(); refused == nil {
				text.measure()
			}
		case said := <-ready.said:
			text.say(said)
		case <-measure.C:
			text.measure()
		case err := <-out.broken:
			ctx.OnError(err)
		case <-ctx.Done():
			return p.stop(ctx, h, out, isReady)
		case <-h.exited:
			finish(ctx, out, lingerMost)
			if waiting != nil && ready.isSet() { // both at once
				refused = becomeReady()
			}
			if err := h.end(isReady, out); err != nil {
				return err
			}
			return refused
		}
	}
	if err := p.stop(ctx, h, out, isReady); err != nil {
		return err
	}
	return refused
}

// stop asks the program to stop, and kills it when the grace ends. It returns when the
// program has ended and its output has been read, with what its end counts as.
func (p *Process) stop(ctx child.Context, h *host, out *output, isReady bool) error {
	began, grace := time.Now(), ctx.Grace()
	h.ask(p.signal())
	var late time.Duration
	select {
	case <-h.exited:
	case <-grace.Done():
		late = max(time.Since(began), 1)
		h.kill()
		<-h.exited
	}
	linger := lingerMost
	if end, limited := grace.Deadline(); limited {
		linger = min(linger, end.Sub(began)/18) // half of the last tenth of the stop timeout
	}
	finish(ctx, out, linger)
	return h.stopped(p.signal(), isReady, late, out)
}

// finish waits for the rest of the output.
func finish(ctx child.Context, out *output, linger time.Duration) {
	out.finish(linger)
	select {
	case err := <-out.broken:
		ctx.OnError(err)
	default:
	}
}

func (p *Process) signal() syscall.Signal {
	if sig, ok := p.spec.Signal.(syscall.Signal); ok {
		return sig
	}
	return syscall.SIGTERM
}

package supervisor

import (
	"context"
	"errors"
	"runtime/pprof"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/internal/machine"
)

// A pause is the backoff of one child, across its runs. The machine asks for
// one delay at a time, so that a policy is never called by two goroutines.
type pause struct {
	make   child.Backoff
	policy child.BackoffPolicy
}

// askFor has the backoff of a child asked for the next delay. A policy is user code:
// it is called on a goroutine of its own, where it can neither hold up nor take down
// anything else. Under the lock.
func (l *life) askFor(c *machine.Child, reset bool) {
	f := runOfChild(c).get()
	if f.pause == nil {
		f.pause = &pause{make: c.Spec.Backoff}
		if f.pause.make == nil {
			f.pause.make = l.spec.Backoff
		}
	}
	go l.ask(c, f.pause, reset)
}

// ask brings the machine the next delay of a child.
func (l *life) ask(c *machine.Child, p *pause, reset bool) {
	pprof.SetGoroutineLabels(l.labels)
	delay := time.Duration(-1) // what stands if the policy panics or calls Goexit
	defer func() {
		if v := recover(); v != nil {
			panicked := &errs.Wrap{Sentinel: errPolicy, Cause: child.Recovered(v)}
			l.mu.Lock()
			if !l.isOver() { // else it would reach those who listen to the next life
				l.publish(&Event{Kind: EventError, Err: panicked}, runOfChild(c))
			}
			l.mu.Unlock()
		}
		l.do(func(now time.Duration) { l.m.BackoffDelay(c, delay, now) })
		l.logHeld(c)
	}()
	delay = p.next(reset, l.base)
}

// errPolicy is what an event tells of a policy that panics: that the supervisor
// then gives up shows only the failure of the child.
var errPolicy = errors.New("backoff")

// next returns the next delay; negative to give up. A test may want it without jitter.
func (p *pause) next(reset bool, tree context.Context) time.Duration {
	if p.policy == nil {
		if p.policy = p.make(); p.policy == nil {
			p.policy = child.Constant(0)()
		}
		if jitter.IsNone(tree) {
			jitter.Remove(p.policy)
		}
	} else if reset {
		p.policy.Reset()
	}
	return p.policy.NextBackOff()
}

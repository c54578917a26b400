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

// A backoffState is the backoff of one child, across its runs. The machine asks for
// one delay at a time, so that a policy is never called by two goroutines.
type backoffState struct {
	make   child.Backoff
	policy child.BackoffPolicy
}

// nextBackoff has the backoff of a child asked for the next delay. A policy is user code:
// it is called on a goroutine of its own, where it can neither hold up nor take down
// anything else. Under the lock.
func (l *life) nextBackoff(c *machine.Child, reset bool) {
	f := runOfChild(c).ensureRare()
	if f.backoff == nil {
		f.backoff = &backoffState{make: c.Spec.Backoff}
		if f.backoff.make == nil {
			f.backoff.make = l.spec.Backoff
		}
	}
	go l.callBackoff(c, f.backoff, reset)
}

// callBackoff brings the machine the next delay of a child.
func (l *life) callBackoff(c *machine.Child, p *backoffState, reset bool) {
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
func (p *backoffState) next(reset bool, tree context.Context) time.Duration {
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

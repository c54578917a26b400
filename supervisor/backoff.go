package supervisor

import (
	"context"
	"errors"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/internal/machine"
)

// backoffState is the backoff policy of one child; it survives restarts. The machine
// requests one delay at a time, so a policy is never called by two goroutines at once.
type backoffState struct {
	make   child.Backoff
	policy child.BackoffPolicy
	used   atomic.Int64 // number of delays since the policy started over
}

// nextBackoff requests the next delay from the backoff of a child. A policy is user code:
// it is called on a goroutine of its own, where it can neither delay nor crash anything
// else. l.mu must be held.
func (l *life) nextBackoff(c *machine.Child, reset bool) {
	rare := runOfChild(c).ensureRare()
	if rare.backoff == nil {
		rare.backoff = &backoffState{make: c.Spec.Backoff}
		if rare.backoff.make == nil {
			rare.backoff.make = l.spec.Backoff
		}
	}
	go l.callBackoff(c, rare.backoff, reset)
}

// callBackoff calls the policy of a child and passes the delay to the machine.
func (l *life) callBackoff(c *machine.Child, p *backoffState, reset bool) {
	pprof.SetGoroutineLabels(l.labels)
	delay := time.Duration(-1) // gives up, if the policy panics or calls Goexit
	defer func() {
		if v := recover(); v != nil {
			panicked := &errs.Wrap{Sentinel: errPolicy, Cause: child.Recovered(v)}
			l.lock()
			if !l.isOver() { // otherwise it would reach subscribers of the next life
				l.publish(&Event{Kind: EventError, Err: panicked}, runOfChild(c))
			}
			l.mu.Unlock()
		}
		l.do(func(now time.Duration) { l.m.BackoffDelay(c, delay, now) })
		l.logHeld(c)
	}()
	delay = p.next(reset, l.base)
}

// errPolicy marks the event of a policy that panicked. The GaveUpError that follows has
// only the failure of the child.
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
		p.used.Store(0)
	}
	p.used.Add(1)
	return p.policy.NextBackOff()
}

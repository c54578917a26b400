package gatetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// TTL returns the term that bids ask for.
func (m *Member) TTL() time.Duration { return m.ttl }

// Acquire waits for the lease. It looks again when a lease is released, and ten times per
// term.
func (m *Member) Acquire(ctx context.Context, name string) (gate.Lease, error) {
	l := &lease{member: m, name: name, holder: fmt.Sprintf("%s, call %d", m.id, m.engine.calls.Add(1))}
	for {
		won, retry, err := l.try(ctx)
		if err != nil {
			return nil, errors.Join(err, l.undo(ctx))
		}
		if won {
			return l, nil
		}
		timer := time.NewTimer(m.ttl / 10)
		select {
		case <-retry:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// Holder returns who holds the lease.
func (m *Member) Holder(ctx context.Context, name string) (h gate.Holder, err error) {
	err = m.call(ctx, false, func(e *Engine) {
		h = gate.Holder{Token: e.tokens[name]}
		if r := e.current(name, e.now()); r != nil {
			h = gate.Holder{ID: r.member, Token: r.token, Since: r.since}
		}
	})
	return h, err
}

// A lease is a lease, or a bid for one.
type lease struct {
	member *Member
	name   string
	holder string
	token  int64
	term   gate.Term
}

func (l *lease) Token() int64          { return l.token }
func (l *lease) Term() gate.Term       { return l.term }
func (l *lease) Lost() <-chan struct{} { return nil }

// try takes the lease if it is free, or was taken by an earlier try whose answer was lost.
func (l *lease) try(ctx context.Context) (won bool, retry <-chan struct{}, err error) {
	m, sent := l.member, gate.Now()
	ttl := m.ttl
	var held gate.Holder
	request := ctx
	if m.fault != waitsForever {
		var cancel context.CancelFunc
		request, cancel = context.WithTimeout(ctx, m.ttl/4)
		defer cancel()
	}
	err = m.call(request, true, func(e *Engine) {
		retry = e.next(l.name)
		now := m.clock(e)
		if e.grant > 0 && m.fault != ignoresGrant {
			ttl = e.grant
		}
		if r := e.current(l.name, now); r != nil && r.holder != l.holder && m.fault != ignoresHolder {
			held = gate.Holder{ID: r.member, Token: r.token, Since: r.since}
			return
		}
		won = true
		l.token = m.nextToken(e, l.name)
		e.rows[l.name] = &row{holder: l.holder, member: m.id, token: l.token, since: now, expires: now.Add(m.granted(e))}
	})
	if err != nil {
		return false, nil, err
	}
	if held.ID != "" {
		gate.Seen(ctx, held)
	}
	if m.fault == countsFromAnswer {
		sent = gate.Now()
	}
	l.term = gate.Term{Sent: sent, TTL: ttl}
	return won, retry, nil
}

// undo gives back what a try may have won whose answer was lost. It does not wait for an
// engine that does not answer.
func (l *lease) undo(ctx context.Context) error {
	if l.member.fault == leavesBid {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.member.ttl/10)
	defer cancel()
	return l.Release(ctx)
}

// Renew begins another term.
func (l *lease) Renew(ctx context.Context) error {
	m, sent := l.member, gate.Now()
	ttl, lost := m.ttl, false
	err := m.call(ctx, true, func(e *Engine) {
		if e.grant > 0 && m.fault != ignoresGrant {
			ttl = e.grant
		}
		r := e.rows[l.name]
		if m.fault == revives && r != nil {
			r.holder, r.member, r.token = l.holder, m.id, l.token
		}
		if r == nil || r.holder != l.holder {
			lost = true
			return
		}
		r.expires = m.clock(e).Add(m.granted(e))
	})
	switch {
	case err != nil && m.fault != hidesErrors:
		return err
	case lost && m.fault != hidesLoss:
		return fmt.Errorf("%w: another holds it", gate.ErrLost)
	}
	if m.fault == countsFromAnswer {
		sent = gate.Now()
	}
	l.term = gate.Term{Sent: sent, TTL: ttl}
	return nil
}

// Release gives the lease back.
func (l *lease) Release(ctx context.Context) error {
	m := l.member
	return m.call(ctx, true, func(e *Engine) {
		r := e.rows[l.name]
		if r == nil || r.holder != l.holder && m.fault != releasesOthers || m.fault == keepsReleased {
			return
		}
		r.holder, r.expires = "", time.Time{}
		e.wake(l.name)
	})
}

// granted returns the term that the engine gives. e.mu must be held.
func (m *Member) granted(e *Engine) time.Duration {
	if e.grant > 0 {
		return e.grant
	}
	return m.ttl
}

// nextToken returns the token of a new lease. e.mu must be held.
func (m *Member) nextToken(e *Engine, name string) int64 {
	switch r := e.rows[name]; {
	case m.fault == repeatsToken && r != nil && e.tokens[name]%7 == 6:
		return e.tokens[name]
	case m.fault == forgetsToken && r == nil:
		e.tokens[name] = 1
	default:
		e.tokens[name]++
	}
	return e.tokens[name]
}

// clock is the clock by which leases end: the engine's. e.mu must be held.
func (m *Member) clock(e *Engine) time.Time {
	if m.fault == ownClock {
		m.mu.Lock()
		defer m.mu.Unlock()
		return time.Now().Add(m.ahead)
	}
	return e.now()
}

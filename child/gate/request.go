package gate

import (
	"context"
	"errors"

	"github.com/coppice-go/coppice/child"
)

// request calls the engine on a goroutine of its own and lets the loop call answered with
// the result. A panic or Goexit in the engine is an error.
func (m *member) request(ctx context.Context, call func(context.Context) error, answered func(error)) {
	go func() {
		err := child.ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = child.Recovered(v)
			}
			m.post(func() { answered(err) })
		}()
		err = call(ctx)
	}()
}

// values returns a context with the values of the run, which its end does not cancel: the
// core decides what is cancelled.
func (m *member) values() context.Context { return context.WithoutCancel(m.ctx) }

// bid waits for the lease.
func (m *member) bid() context.CancelFunc {
	ctx, cancel := context.WithCancel(watchHolder(m.values(), m.saw))
	var lease Lease
	var term Term
	var h *hold
	m.request(ctx, func(ctx context.Context) (err error) {
		if lease, err = m.gate.spec.Elector.Acquire(ctx, m.gate.spec.Name); err != nil {
			return err
		}
		if lease == nil {
			return errors.New("the engine returned no lease and no error")
		}
		term = lease.Term()
		h = newHold(m.gate, m.ctx, lease, m.now)
		return nil
	}, func(err error) {
		stopped := ctx.Err() != nil
		cancel()
		if err != nil {
			if !stopped {
				m.trouble(err)
			}
			m.do(m.core.BidFailed(m.now()))
			return
		}
		m.well()
		m.hold, m.lost, m.sent, m.suspected, m.why = h, lease.Lost(), term.Sent, false, nil
		m.lastToken = h.token
		m.do(m.core.Won(term.Sent.since(m.base), term.TTL, m.now()))
	})
	return cancel
}

// saw notes who holds the lease. It is called by the engine, on any goroutine.
func (m *member) saw(h Holder) {
	m.post(func() {
		m.well()
		m.gate.count(func(s *State) { s.Seen = h })
		m.show()
	})
}

// ask asks who holds the lease, for a member that does not bid.
func (m *member) ask() context.CancelFunc {
	ctx, cancel := context.WithTimeout(m.values(), m.gate.terms.RequestTimeout)
	var holder Holder
	m.request(ctx, func(ctx context.Context) (err error) {
		holder, err = m.gate.spec.Elector.Holder(ctx, m.gate.spec.Name)
		return err
	}, func(err error) {
		cancel()
		if err == nil {
			m.gate.count(func(s *State) { s.Seen = holder })
		}
		m.do(m.core.Answered(err == nil && m.another(holder), m.now()))
	})
	return cancel
}

// another reports whether another member leads, or has led since this one did. If this one
// never did, it can only tell from the second answer on, or if another leads now.
func (m *member) another(h Holder) bool {
	if m.lastToken == 0 && h.ID == "" {
		m.lastToken = h.Token
	}
	return h.Token > m.lastToken
}

// renew begins another term.
func (m *member) renew() context.CancelFunc {
	ctx, cancel := context.WithTimeout(m.values(), m.gate.terms.RequestTimeout)
	var term Term
	lost, lease := false, m.hold.lease
	m.request(ctx, func(ctx context.Context) error {
		if err := lease.Renew(ctx); err != nil {
			lost = errors.Is(err, ErrLost)
			return err
		}
		term = lease.Term()
		return nil
	}, func(err error) {
		stopped := errors.Is(ctx.Err(), context.Canceled)
		cancel()
		switch {
		case err == nil:
			m.well()
			m.sent, m.suspected, m.why = term.Sent, false, nil
			m.do(m.core.Renewed(term.Sent.since(m.base), term.TTL, m.now()))
		case lost:
			m.why = &lostLease{err}
			m.do(m.core.Lost(true, m.now()))
		default:
			if !stopped {
				m.why = err
				m.gate.count(func(s *State) { s.RenewalsFailed++ })
				m.trouble(err)
			}
			m.do(m.core.RenewFailed(m.now()))
		}
	})
	return cancel
}

// release gives the lease back.
func (m *member) release() {
	ctx, cancel := context.WithTimeout(m.ctx.Grace(), m.gate.terms.ReleaseWithin)
	h := m.hold
	m.request(ctx, h.lease.Release, func(err error) {
		cancel()
		if err != nil {
			m.ctx.OnError(m.about(&notReleased{err}))
			h.err = &notReleased{err}
		}
		m.do(m.core.Released(m.now()))
	})
}

// A notReleased says that a release has failed.
type notReleased struct{ err error }

func (e *notReleased) Error() string {
	return "not released, so it ends with its term: " + e.err.Error()
}
func (e *notReleased) Unwrap() error { return e.err }

// A lostLease is what the engine says about a lease that is lost.
type lostLease struct{ err error }

func (e *lostLease) Error() string { return e.err.Error() }
func (e *lostLease) Unwrap() error { return e.err }

// trouble notes that a request has failed. The first one of a row is reported.
func (m *member) trouble(err error) {
	m.gate.count(func(s *State) { s.EngineErr = err })
	if !m.troubled {
		m.troubled = true
		m.ctx.OnError(m.about(err))
	}
}

// well notes that a request was answered.
func (m *member) well() {
	m.troubled = false
	m.gate.count(func(s *State) { s.EngineErr = nil })
}

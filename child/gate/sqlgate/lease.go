package sqlgate

import (
	"context"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// A lease is a lease, or a bid for one. Its holder names one call of Acquire.
type lease struct {
	elector *Elector
	name    string
	holder  string
	tried   bool // to take it: the row may name this holder
	token   int64
	term    gate.Term
}

// Token returns the fencing token.
func (l *lease) Token() int64 { return l.token }

// Term returns the last term.
func (l *lease) Term() gate.Term { return l.term }

// Lost returns nil: a renewal says so.
func (l *lease) Lost() <-chan struct{} { return nil }

// freshRow is how long Acquire waits after it has created a row. The clock of the database,
// which made the first token, may count milliseconds only. If the row is deleted and
// created again, the next first token must be higher.
const freshRow = 2 * time.Millisecond

// acquire returns when it has the lease.
func (l *lease) acquire(ctx context.Context) error {
	e, created := l.elector, false
	for {
		r, err := e.look(ctx, l.name)
		if err != nil {
			return err
		}
		wait := e.spec.PollEvery
		switch {
		case !r.found:
			created = true
			if _, err := l.take(ctx, e.statements.create, l.name, l.holder, e.spec.Member, e.ttl()); err != nil {
				return err
			}
			wait = 0 // look what the token is
		case r.holder == l.holder: // it was taken by a statement before
			l.token = r.token
			if err := l.Renew(ctx); err != nil {
				return err
			}
			if created {
				time.Sleep(freshRow)
			}
			return nil
		case r.free():
			sent := gate.Now()
			won, err := l.take(ctx, e.statements.take, l.holder, e.spec.Member, e.ttl(), l.name, r.token)
			if err != nil {
				return err
			}
			if won {
				l.token, l.term = r.token+1, gate.Term{Sent: sent, TTL: e.spec.TTL}
				return nil
			}
		default:
			gate.Seen(ctx, r.asHolder())
			left := time.Duration(r.expires-r.now) * time.Microsecond
			wait = max(min(wait, left), time.Millisecond)
		}
		if sleep(ctx, spread(wait)) {
			return context.Cause(ctx)
		}
	}
}

// take carries out a statement that takes the lease. The end of ctx does not cut it off,
// because then nobody would know whether it will still be carried out.
func (l *lease) take(ctx context.Context, statement string, args ...any) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	l.tried = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.elector.patience())
	defer cancel()
	return l.elector.change(ctx, statement, args...)
}

// ttl is the term in the database, in microseconds. It is a little longer than that of the
// holder, because the clock of the database may show a time that is up to its resolution ago.
// One more microsecond is for what Microseconds cuts off.
func (e *Elector) ttl() int64 {
	return e.spec.TTL.Microseconds() + e.spec.Dialect.resolution().Microseconds() + 1
}

// undo releases what a bid may have taken. It does not wait for long.
func (l *lease) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.elector.spec.TTL/10)
	defer cancel()
	return l.Release(ctx)
}

// Renew begins another term, unless the row is another's by now.
func (l *lease) Renew(ctx context.Context) error {
	e, sent := l.elector, gate.Now()
	renewed, err := e.change(ctx, e.statements.renew, e.ttl(), l.name, l.holder, l.token)
	switch {
	case err != nil:
		return err
	case !renewed: // MySQL does not count a row that does not change
		r, err := e.look(ctx, l.name)
		if err != nil {
			return err
		}
		if !r.found || r.holder != l.holder || r.token != l.token {
			return fmt.Errorf("%w: %s", gate.ErrLost, r.text())
		}
	}
	l.term = gate.Term{Sent: sent, TTL: e.spec.TTL}
	return nil
}

// text says whose a lease is.
func (r *row) text() string {
	switch {
	case !r.found:
		return "its row was deleted"
	case r.free():
		return "it was released"
	}
	return fmt.Sprintf("%s holds it with token %d", r.member, r.token)
}

// Release gives the lease back, if it is still ours.
func (l *lease) Release(ctx context.Context) error {
	_, err := l.elector.change(ctx, l.elector.statements.release, l.name, l.holder)
	return err
}

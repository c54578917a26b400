package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/core"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/internal/oneline"
)

// A member is one run of a gate. Its loop runs on the goroutine of Run. It passes events to
// the core and carries out the actions. Requests to the engine, and what is guarded, run on
// goroutines of their own, and post what they have to say. The loop ends when all of them
// have.
type member struct {
	gate  *Gate
	ctx   child.Context
	base  Moment // all times of the core count from it
	core  *core.Machine
	posts chan func()
	done  chan struct{} // closed when the run has ended

	cancelBid, cancelAsk, cancelRenewal context.CancelFunc // of the requests under way

	hold      *hold           // or nil
	lost      <-chan struct{} // of its lease
	sent      Moment          // of its term
	suspected bool            // in that term
	why       error           // the last error of the engine about it
	guarded   *guarded
	ticked    time.Duration // when tick was called last
	checkAt   time.Duration // when to look next whether what is guarded is ready
	lastToken int64         // of the last lease of the gate, or of the member that held it then; zero: not known

	troubled bool // the last request has failed, and that was reported
	over     bool
	result   error
}

func newMember(g *Gate, ctx child.Context) *member {
	return &member{gate: g, ctx: ctx, base: Now(), posts: make(chan func()), done: make(chan struct{})}
}

// terms returns the terms of the run. The time between two bids differs a little between
// members, so that a hundred do not bid at the same time.
func (m *member) terms() core.Terms {
	t := m.gate.terms.core()
	t.Yield = m.gate.spec.YieldAfter
	if spread := int64(t.Renew / 10); spread > 0 && !jitter.IsNone(m.ctx) {
		t.Renew -= time.Duration(rand.Int64N(spread))
	}
	return t
}

func (m *member) now() time.Duration { return Now().since(m.base) }

// post lets the loop call f. It reports false if the run has ended.
func (m *member) post(f func()) bool {
	select {
	case m.posts <- f:
		return true
	case <-m.done:
		return false
	}
}

// run is the loop.
func (m *member) run() error {
	defer m.watchDrain()()
	defer close(m.done) // first: a subscriber may be about to post
	if err := m.ctx.Ready(); err != nil {
		return err
	}
	m.do(m.core.Tick(m.now()))
	stopped := m.ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !m.over {
		timer.Reset(m.nap())
		select {
		case <-stopped:
			stopped = nil
			m.do(m.core.StopAsked(m.now()))
		case f := <-m.posts:
			f()
		case <-m.lost:
			m.lost = nil
			m.why = errors.New("reported by the engine")
			m.do(m.core.Lost(false, m.now()))
		case <-timer.C:
			m.tick()
		}
	}
	return m.result
}

// nap returns how long the loop may sleep. Timers stand still while the machine sleeps, so
// while a lease is held they are short.
func (m *member) nap() time.Duration {
	most := m.gate.terms.RenewEvery
	if _, ends := m.core.LeaseEnd(); m.hold != nil && ends {
		most = m.gate.terms.Slack
	}
	now := m.now()
	most = min(most, m.ticked+most-now) // however many posts there are
	if at, ok := m.core.Next(); ok {
		most = min(most, at-now)
	}
	return max(0, most)
}

func (m *member) tick() {
	m.ctx.Heartbeat()
	m.ticked = m.now()
	now := Now()
	if m.hold != nil && !m.suspected && now.wallSince(m.sent)-now.since(m.sent) > m.gate.terms.Slack {
		m.suspected = true
		m.do(m.core.Suspected(m.now()))
	}
	if m.guarded != nil && m.gate.spec.YieldAfter > 0 && m.now() >= m.checkAt {
		m.checkAt = m.now() + m.gate.terms.RenewEvery
		m.do(m.core.Ready(m.guarded.sup.Health() == nil, m.now()))
	}
	if acts := m.core.Tick(m.now()); len(acts) > 0 {
		m.do(acts)
	}
}

// do carries out what the core decided.
func (m *member) do(actions []core.Action) {
	begin := func() {}
	for _, a := range actions {
		switch a {
		case core.Bid:
			m.cancelBid = m.bid()
		case core.CancelBid:
			m.cancelBid()
		case core.Ask:
			m.cancelAsk = m.ask()
		case core.CancelAsk:
			m.cancelAsk()
		case core.Renew:
			m.cancelRenewal = m.renew()
		case core.CancelRenew:
			m.cancelRenewal()
		case core.Lead:
			begin = m.lead()
		case core.Stop:
			m.hold.cancel(m.cause())
		case core.Release:
			m.release()
		case core.Refuse:
			m.ctx.OnError(m.misfit())
		case core.End:
			m.over = true
		}
	}
	m.show()
	begin() // when the state says so
}

// show publishes the state of the gate.
func (m *member) show() {
	g := m.gate
	phase := m.core.Phase()
	if m.hold != nil {
		if phase == core.Waiting || phase == core.Bidding || phase == core.Over {
			defer m.settled()() // when the state says so, too
		} else {
			m.hold.leaseEnds(m.core.LeaseEnd())
		}
	}
	g.mu.Lock()
	if g.current != m { // abandoned, and replaced
		g.mu.Unlock()
		return
	}
	s := &g.state
	s.Running, s.Open = true, phase == core.Leading
	s.Token, s.Since, s.Until, s.NoBid = 0, time.Time{}, time.Time{}, time.Time{}
	if m.hold != nil {
		s.Token, s.Since = m.hold.token, m.hold.since
		if end, ends := m.core.LeaseEnd(); ends {
			s.Until = m.wall(end)
		}
		s.Seen = Holder{}
	}
	if until, held := m.core.HeldBack(); held {
		s.NoBid = m.wall(until)
	}
	shown := *s
	g.mu.Unlock()
	text := "" // it calls a method of an error of the engine, so without the lock
	if g.shards != nil {
		text = g.shards.text(&shown)
	} else {
		text = shown.text()
	}
	m.ctx.Status(text)
}

// wall returns a time of the core as one of the wall clock.
func (m *member) wall(at time.Duration) time.Time { return time.Now().Add(at - m.now()).Round(0) }

// settled ends the hold when its lease was given up. It returns a function that lets waiting
// calls of Yield return.
func (m *member) settled() (tell func()) {
	h := m.hold
	m.hold, m.guarded, m.lost = nil, nil, nil
	h.close()
	h.cancel(nil)
	return func() { close(h.settled) }
}

// lead returns a function that starts what is guarded.
func (m *member) lead() (begin func()) {
	m.guarded = newGuarded(m.hold, m.gate)
	m.checkAt = m.now() + m.gate.terms.RenewEvery
	m.gate.count(func(s *State) { s.Wins++ })
	m.hold.leaseEnds(m.core.LeaseEnd())
	h, gd := m.hold, m.guarded
	return func() {
		go h.watch(m.gate.terms.Slack)
		go func() {
			end := gd.run()
			m.post(func() { m.ended(end) })
		}()
	}
}

// ended notes how what is guarded has ended.
func (m *member) ended(end ending) {
	if m.ctx.Err() != nil { // it has ended because of that, and the loop did not notice yet
		m.do(m.core.StopAsked(m.now()))
	}
	leading, why := m.core.Phase() == core.Leading, m.core.Why()
	switch {
	case leading:
		m.result = end.err
	case m.ctx.Err() != nil:
		if m.result = end.stop; end.own && end.err != nil {
			m.result = end.err
		}
	default:
		m.reportStop(why, end)
	}
	if end.abandoned {
		m.hold.err = fmt.Errorf("the lease is not released: %w", end.failure())
	}
	m.do(m.core.Ended(end.abandoned, m.now()))
}

// reportStop reports why the lead was given up, if that was not requested, and what went
// wrong with the stop.
func (m *member) reportStop(why core.Cause, end ending) {
	var cause error
	if why != core.Yielded {
		cause = context.Cause(m.hold.ctx)
	}
	if err := errors.Join(cause, end.failure()); err != nil {
		m.ctx.OnError(m.about(err))
	}
}

// cause returns the cause with which what is guarded is stopped.
func (m *member) cause() error {
	switch m.core.Why() {
	case core.Yielded:
		return ErrYielded
	case core.Unready:
		if err := m.guarded.sup.Health(); err != nil {
			return &errs.Wrap{Sentinel: ErrUnready, Cause: err}
		}
		return ErrUnready
	}
	if lost, ok := m.why.(*lostLease); ok {
		return lost // it wraps ErrLost
	}
	if m.why != nil {
		return &errs.Wrap{Sentinel: ErrLost, Cause: m.why}
	}
	return ErrLost
}

// about puts the name of the lease in front of an error.
func (m *member) about(err error) error {
	return &errs.Wrap{Sentinel: leaseName(m.gate.spec.Name), Cause: err}
}

// leaseName is the name of a lease as the first part of an error.
type leaseName string

func (n leaseName) Error() string { return "lease " + oneline.Text(string(n)) }

func (m *member) misfit() error {
	t := m.gate.terms
	asked := t.TTL
	t.TTL = m.hold.lease.Term().TTL
	return m.about(fmt.Errorf("the engine granted %v instead of %v, which does not fit: %v", t.TTL, asked, t))
}

func (g *Gate) count(f func(*State)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(&g.state)
}

func number(token int64) string { return strconv.FormatInt(token, 10) }

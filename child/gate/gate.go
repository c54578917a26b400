package gate

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/core"
)

// A Gate is a child that stands by, and runs what it guards while it holds a lease. Make it
// with New and set child.Spec.Run to its Run method. All methods may be called from any
// goroutine.
type Gate struct {
	spec   Spec
	terms  Terms
	shards *Shards // whose membership it keeps, or nil

	mu      sync.Mutex
	current *member // the run, or nil
	state   State
	rest    rest // what the last run leaves to the next
}

// A rest is core.Rest at a moment.
type rest struct {
	at       Moment
	left     time.Duration
	onlyTime bool
	fails    int
	token    int64 // of the last lease, or zero
}

// remaining returns what is left of the rest. The clock may have gone back since: see
// testing/synctest.
func (r *rest) remaining(now Moment) time.Duration {
	if r.left == 0 {
		return 0
	}
	return max(0, min(r.left, r.left-now.since(r.at)))
}

// New makes a Gate. It cannot fail: Run returns the problems of the spec. Terms of the
// elector count as they are now.
func New(spec Spec) *Gate {
	if spec.Late == nil {
		spec.Late = Crash
	}
	return &Gate{spec: spec, terms: spec.Terms()}
}

var errTwice = errors.New("gate: it runs already; make a Gate for each child")

// Run stands by, and is ready at once, so that a process that stands by is healthy. Each
// time it wins the lease, it runs Spec.Run. It returns
//
//   - nil, or what went wrong with the stop, when ctx ends,
//   - what Spec.Run returned, when that ended by itself, or
//   - an error before it is ready, if the spec is invalid or the gate runs already.
//
// Before it returns, it has released the lease, unless it was lost, or something has not
// stopped. Then the lease ends with its term.
func (g *Gate) Run(ctx child.Context) error {
	if ctx == nil {
		return errors.New("gate: nil context")
	}
	if err := g.spec.validate(g.terms); err != nil {
		return err
	}
	m, err := g.begin(ctx)
	if err != nil {
		return err
	}
	defer g.finish(m)
	return m.run()
}

// begin makes a run the current one. A run that was asked to stop and has not returned may
// have been abandoned. It must not keep the next one from standing by: the engine excludes
// them from each other.
func (g *Gate) begin(ctx child.Context) (*member, error) {
	m := newMember(g, ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current != nil && g.current.ctx.Err() == nil {
		return nil, errTwice
	}
	m.lastToken = g.rest.token
	m.core = core.New(m.terms(), core.Rest{Until: g.rest.remaining(m.base), OnlyTime: g.rest.onlyTime, Fails: g.rest.fails})
	g.current = m
	if g.shards != nil {
		g.shards.begin()
	}
	return m, nil
}

// finish ends a run.
func (g *Gate) finish(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current != m {
		return
	}
	now := Now()
	left := m.core.Rest()
	g.rest = rest{now, max(0, left.Until-now.since(m.base)), left.OnlyTime, left.Fails, m.lastToken}
	g.current = nil
	g.state = State{Wins: g.state.Wins, RenewalsFailed: g.state.RenewalsFailed}
}

// Name returns the name of the lease: that of the spec.
func (g *Gate) Name() string { return g.spec.Name }

// refresh sets the status text again.
func (g *Gate) refresh() {
	g.mu.Lock()
	m := g.current
	g.mu.Unlock()
	if m != nil {
		m.post(m.show)
	}
}

// lose says that a lease has ended, other than by a renewal.
func (g *Gate) lose(lease Lease, err error) {
	g.mu.Lock()
	m := g.current
	g.mu.Unlock()
	if m != nil {
		m.post(func() {
			if m.hold != nil && m.hold.lease == lease {
				m.why = &lostLease{err}
				m.do(m.core.Lost(false, m.now()))
			}
		})
	}
}

// safe reports whether something may be started under the lease: there is time to stop it.
func (g *Gate) safe() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Open && (g.state.Until.IsZero() || time.Until(g.state.Until) > g.terms.core().Margin())
}

// Open reports whether the gate is open: what it guards runs under a lease, and has not
// been asked to stop.
func (g *Gate) Open() bool { return g.State().Open }

// State returns what the gate knows of itself.
func (g *Gate) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// Holder asks the engine who holds the lease. A gate that does not run can ask, too.
func (g *Gate) Holder(ctx context.Context) (Holder, error) {
	if g.spec.Elector == nil {
		return Holder{}, g.spec.validate(g.terms)
	}
	return g.spec.Elector.Holder(ctx, g.spec.Name)
}

// Yield hands over, for example before a deploy. What is guarded is stopped in order, with
// the cause ErrYielded, and the lease is released. Then this gate does not bid until
// another has held the lease, or a term has passed. Yield returns when the lease is
// released, or with an error that says why it was not: then the lease ends with its term.
//
// On a gate that stands by, Yield withdraws the bid, for the same time. On one that does
// not run it does nothing. When ctx ends first, Yield returns its cause, and the hand-over
// goes on. If ctx is that of what this gate guards, or derived from it, Yield requests the
// hand-over and returns nil at once, because otherwise it would wait for its caller.
func (g *Gate) Yield(ctx context.Context) error {
	if ctx == nil {
		return errors.New("gate: nil context")
	}
	g.mu.Lock()
	m := g.current
	g.mu.Unlock()
	if m == nil {
		return nil
	}
	held := make(chan *hold, 1)
	if !m.post(func() {
		m.do(m.core.Yield(m.now()))
		held <- m.hold
	}) {
		return nil
	}
	h := <-held
	if h == nil {
		return nil
	}
	for _, lease := range Leases(ctx) {
		if lease == h.lease {
			return nil
		}
	}
	select {
	case <-h.settled:
		return h.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

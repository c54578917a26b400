package gatetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child/gate/internal/share"
	"github.com/coppice-go/coppice/internal/badline"
)

// ErrUnreachable is the error of a request that was not answered.
var ErrUnreachable = errors.New("the engine does not answer")

// An Engine is a fake engine that gives leases. Make it with NewEngine. All methods may be
// called from any goroutine.
type Engine struct {
	calls atomic.Int64 // of Acquire: each is a contender of its own

	mu      sync.Mutex
	rows    map[string]*row
	tokens  map[string]int64         // the last one of each name; nothing deletes them
	changed map[string]chan struct{} // closed when the lease is released
	groups  map[string]*share.Group
	away    chan struct{} // closed when the engine is back; nil: it is there
	ahead   time.Duration // of its clock
	grant   time.Duration // the term that it grants, whatever was asked for; zero: what was asked for
}

// A row is a lease in the engine.
type row struct {
	holder  string // names one call of Acquire
	member  string
	token   int64
	since   time.Time
	expires time.Time // by the engine's clock
}

// NewEngine returns an engine that nobody holds a lease of.
func NewEngine() *Engine {
	return &Engine{
		rows: make(map[string]*row), tokens: make(map[string]int64),
		changed: make(map[string]chan struct{}), groups: make(map[string]*share.Group),
	}
}

// Away lets the engine stop answering, or answer again. It forgets nothing, and its clock
// goes on.
func (e *Engine) Away(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case away && e.away == nil:
		e.away = make(chan struct{})
	case !away && e.away != nil:
		close(e.away)
		e.away = nil
	}
}

// StepClock sets the clock of the engine forward, or back. If it is set forward, leases end
// early, so two members may hold one at the same time. Only tokens help then.
func (e *Engine) StepClock(by time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ahead += by
}

// Grant lets the engine grant this term, whatever is asked for. Zero ends that.
func (e *Engine) Grant(ttl time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.grant = ttl
}

// Delete removes the lease with that name, as an operator may do by hand.
func (e *Engine) Delete(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.rows, name)
	e.wake(name)
}

// wake lets all members look again at a lease. e.mu must be held.
func (e *Engine) wake(name string) {
	if c := e.changed[name]; c != nil {
		close(c)
		delete(e.changed, name)
	}
}

// next returns a channel that wake closes. e.mu must be held.
func (e *Engine) next(name string) <-chan struct{} {
	if e.changed[name] == nil {
		e.changed[name] = make(chan struct{})
	}
	return e.changed[name]
}

// now is the engine's clock. e.mu must be held.
func (e *Engine) now() time.Time { return time.Now().Add(e.ahead) }

// current returns the row of a lease that has not ended, or nil. e.mu must be held.
func (e *Engine) current(name string, now time.Time) *row {
	r := e.rows[name]
	if r == nil || r.holder == "" || !now.Before(r.expires) {
		return nil
	}
	return r
}

// A Member is one process with a connection to an Engine. It is a gate.Elector.
type Member struct {
	engine *Engine
	id     string
	ttl    time.Duration
	fault  fault // for tests of Conform

	line badline.Line

	mu    sync.Mutex
	ahead time.Duration // of its clock
}

// Member returns a new member that asks for leases with this term.
func (e *Engine) Member(id string, ttl time.Duration) *Member {
	return &Member{engine: e, id: id, ttl: ttl}
}

// Cut cuts the member off from the engine, or connects it again. Requests of a member that
// is cut off wait until it is connected, or their context ends.
func (m *Member) Cut(cut bool) { m.line.Cut(cut) }

// LoseReplies lets the engine carry out the next n changes that the member requests, in
// addition to those of earlier calls, but not answer them.
func (m *Member) LoseReplies(n int) { m.line.LoseReplies(n) }

// Slow sets how long each reply takes. The request itself arrives at once.
func (m *Member) Slow(latency time.Duration) { m.line.Slow(latency) }

// StepClock sets the wall clock of the member forward, or back.
func (m *Member) StepClock(by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead += by
}

// call sends a request to the engine, which carries it out, and waits for the reply.
func (m *Member) call(ctx context.Context, change bool, carryOut func(e *Engine)) error {
	e := m.engine
	for {
		if m.line.Send(ctx) != nil {
			return fmt.Errorf("%w: %w", ErrUnreachable, context.Cause(ctx))
		}
		e.mu.Lock()
		away := e.away
		if away == nil {
			break
		}
		e.mu.Unlock()
		select {
		case <-away:
		case <-ctx.Done():
		}
	}
	carryOut(e)
	e.mu.Unlock()
	if m.line.Answer(ctx, change) != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, context.Cause(ctx))
	}
	return nil
}

// sleep reports whether the time has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

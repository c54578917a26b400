// Package machine is the core of a supervisor: a plain struct that is told what
// happened and answers what to do. It has no goroutine, clock, channel, lock or
// log, so that the same events always give the same actions, and every order of
// events can be tried.
//
// Each method named after an event (Boot, Ready, Exited, Timer, Delay, Add, Stop,
// Restart, Close and so on) takes the event and returns the actions to carry out,
// in order. The slice is valid until the next event. The shell, which carries them
// out, takes them by Next instead, one after the other and all of them before the next
// event; after the last they are cleared, so that nobody is kept by them.
//
// # How it works
//
// There is no queue of plans. What is under way is kept as a mark on each child
// that is part of it (Child.taken) and one lane that walks over the children:
// down, stopping in reverse order what is marked, then up, starting in order what
// is marked. A second failure while the lane is busy only sets more marks and
// sends the lane down again.
//
//	exited ──┬── was to stop ─────────────► gone ───► rest, restart, or wait marked
//	         ├── was Starting ────────────► startEnded ─► rest, or wait and retry
//	         └── was Running ─────────────► ended ──► rest, or failed
//	failed: charge the window; alone: restart or wait; group: take
//	take:   mark the group, lane down
//
// News of a run that is not its child's latest, or that has ended, changes
// nothing: see Exited, Ready and Timer.
package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// Config is what a supervisor's spec says to the machine.
type Config struct {
	Strategy     strategy.Strategy
	Intensity    strategy.Intensity
	AutoShutdown strategy.AutoShutdown
	MaxChildren  int  // zero: no limit
	Backoff      bool // the supervisor has a backoff for children without one
}

// Phase is where the supervisor is in its life.
type Phase uint8

const (
	Unborn  Phase = iota // Boot has not come
	Booting              // declared children are having their first start
	Up
	Closing // all children are to stop, nothing starts
	Over    // nothing runs
)

// A lane is a group operation in progress. At most one is under way. That of an
// Independent supervisor does not wait for anybody: see crew.go.
type groupOp uint8

const (
	opNone     groupOp = iota
	opStopping         // stopping marked children, from the last to the front
	opStarting         // starting marked children, from the front to the last
)

// A Machine is one life of a supervisor, from its start to its end.
type Machine struct {
	WantedKinds EventKinds    // what is to be told at the next event
	Unready     time.Duration // for how long the run that ends next, once ready, has said that it was not

	conf   Config
	phase  Phase
	since  time.Duration // when it got into its phase
	window rules.Window
	now    time.Duration // of the event at hand, since the life began

	// The children, in start order.
	first, last *Child
	names       map[string]*Child
	seq         uint64

	// The lane. cur is the child it has come to, from the frontmost that is
	// taken, and leader the child whose delay it waits for while booting; while
	// going down, the one whose delay is to pass before it goes up.
	op                            groupOp
	cursor, firstMarked, waitsFor *Child

	sweep sweep // over all children: see sweep.go

	// Counts, all changed in one place, setState, but for specs and supers.
	live        int // alive children
	significant int // significant children, neither Stopped nor Done
	specs       int
	supers      int // children in which a supervisor runs or ran

	booting        int // declared children whose first start is not settled
	batchSize      int // see crew.go; less in tests
	suspended      bool
	continueAsked  bool   // GoOn is among the actions of the event at hand
	endedInBoot    *Child // significant child that ended while booting
	endedInBootErr error
	end            End

	out    []Action
	handed int       // how many of them, by Next
	room   [6]Action // for as many as most events lead to, so that they cost no memory

	discarded Action // what is written of a note that nobody wants
}

// New returns a machine that has not booted yet.
func New(conf Config) *Machine {
	m := &Machine{
		WantedKinds: AllKinds,
		conf:        conf,
		window:      rules.NewWindow(conf.Intensity),
		names:       make(map[string]*Child),
		batchSize:   BatchSize,
	}
	m.out = m.room[:0]
	return m
}

// begin opens the handling of an event.
func (m *Machine) beginEvent(now time.Duration) {
	m.clear()
	m.now, m.continueAsked = now, false
}

// Next returns the next action of the latest event, which is valid until the next call.
// After the last it returns nil, and clears them.
func (m *Machine) Next() *Action {
	if m.handed == len(m.out) {
		m.clear()
		return nil
	}
	m.handed++
	return &m.out[m.handed-1]
}

// clear ends the handling of an event.
func (m *Machine) clear() {
	clear(m.out)
	if cap(m.out) > maxKeptActions {
		m.out = m.room[:]
	}
	m.out, m.handed = m.out[:0], 0
}

// mostKept is how many actions there is room for from one event to the next. The
// end of a supervisor whose children all wait may lead to many times more.
const maxKeptActions = 1024

// finish closes the handling of an event.
func (m *Machine) endEvent() { m.advance() }

// Boot starts the declared children. It comes once. If the end has come before
// it, it does nothing. The specs are valid, and not changed any more.
func (m *Machine) Boot(specs []child.Spec, now time.Duration) {
	m.beginEvent(now)
	if m.phase != Unborn {
		m.endEvent()
		return
	}
	m.phase, m.since = Booting, now
	for i := range specs {
		c := m.append(new(Child), &specs[i], originBoot)
		c.Declared = true
		c.bootPending, c.marked = true, true
		m.booting++
	}
	m.op, m.cursor = opStarting, m.first
	if m.ordered() {
		m.firstMarked = m.first
		m.endEvent()
		return
	}
	m.walkBatch()
	if m.booting == 0 {
		m.bootDone()
	}
	m.endEvent()
}

// isUp ends the boot: every declared child was ready, or settled in some other way.
func (m *Machine) bootDone() {
	m.phase, m.since = Up, m.now
	m.emit(IsUp, nil)
	if m.endedInBoot != nil && rules.Due(m.conf.AutoShutdown, m.significant) {
		m.close(End{Kind: EndAuto, Child: m.endedInBoot, Err: m.endedInBootErr})
	}
}

// settled notes that a declared child's first start is no longer pending.
func (m *Machine) bootSettled(c *Child) {
	c.origin = originAuto
	if !c.bootPending {
		return
	}
	c.bootPending = false
	m.booting--
	if m.booting == 0 && m.phase == Booting && !m.ordered() {
		m.bootDone()
	}
}

// ordered reports whether children start and stop one after another.
func (m *Machine) ordered() bool { return rules.Ordered(m.conf.Strategy) }

// alone reports whether a failed child is restarted by itself.
func (m *Machine) restartsAlone() bool {
	return m.conf.Strategy == strategy.OneForOne || m.conf.Strategy == strategy.Independent
}

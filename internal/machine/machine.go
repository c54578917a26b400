// Package machine is the core of a supervisor. It is a plain struct that receives
// events and returns the actions to carry out. It has no goroutine, clock, channel,
// lock or log, so the same events always lead to the same actions, and tests can try
// every order of events.
//
// Each exported method that takes the current time handles one event: Boot, Ready,
// Exited, Timer, BackoffDelay, Add, Stop, Restart, Close and so on. The caller, called
// the shell (package supervisor), then calls Next until it returns nil, and carries out
// each action in order. It must do so before the next event: actions that have not been
// fetched by then are dropped.
//
// # How it works
//
// There is no queue of planned steps. What is in progress is kept in two places: a mark
// on each child that is part of it (Child.marked), and one group operation (Machine.op)
// that walks over the children. First it stops the marked children in reverse order,
// then it starts them in order. A second failure during a group operation only sets
// more marks and makes the operation go back to stopping.
//
//	Exited ─┬─ was asked to stop ─► stoppedExit ─► retire, start, or wait marked
//	        ├─ was Starting ──────► startExit ───► retire, or wait and retry
//	        └─ was Running ───────► runExit ─────► retire, or beginRestart
//	beginRestart: restart the child alone (now, or after its backoff), or markGroup
//	markGroup:    mark the group and begin to stop it
//
// runExit records the restart in the window first, and the supervisor gives up if the
// window does not permit it.
//
// Under strategy.Graph there is no group operation: see graph.go.
//
// An event about a run that is not its child's latest, or that has ended, changes
// nothing: see Exited, Ready and Timer.
package machine

import (
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// Config is the part of a supervisor's spec that the machine needs.
type Config struct {
	Strategy     strategy.Strategy
	Intensity    strategy.Intensity
	AutoShutdown strategy.AutoShutdown
	MaxChildren  int  // zero means no limit
	Backoff      bool // the supervisor has a backoff for children that have none

	// Runs, if not nil, is the number of the latest run. The machines of one tree share
	// it, so that no two runs of the tree have the same number. Nil numbers the runs of
	// each child from 1. Upgrade does not change it.
	Runs *atomic.Uint64
}

// Phase is the phase of a supervisor's life.
type Phase uint8

const (
	Unborn  Phase = iota // before Boot
	Booting              // the declared children start for the first time
	Up                   // all declared children have started
	Closing              // all children stop, and none starts
	Over                 // nothing runs
)

// A groupOp is the state of the group operation. A supervisor has at most one in
// progress. That of an Independent supervisor does not wait for its children: see
// independent.go.
type groupOp uint8

const (
	opNone     groupOp = iota
	opStopping         // stopping marked children, from the last to the first
	opStarting         // starting marked children, from the first to the last
)

// A Machine is one life of a supervisor, from its start to its end. It is not safe for
// concurrent use.
type Machine struct {
	WantedKinds EventKinds    // events to publish; the shell may change it between events
	Unready     time.Duration // set by the shell before Exited: how long that run was Unready
	SameBatch   bool          // set by the shell while events follow each other under one lock: see settle

	conf   Config
	phase  Phase
	since  time.Duration // when the phase began
	window rules.Window
	now    time.Duration // of the current event, since the life began

	// The children, in start order.
	first, last *Child
	names       map[string]*Child // nil while they are few: see names.go
	seq         uint64

	// The group operation. cursor is the child that it has reached, and firstMarked the
	// first child that may be marked. waitsFor is the child whose backoff it waits for: while
	// booting before it goes on, and while stopping before it starts the group. The last
	// two are nil if there is none.
	op                            groupOp
	cursor, firstMarked, waitsFor *Child

	sweep  sweep             // a request for every child: see sweep.go
	trials map[*Child]*trial // of children whose spec was replaced: see replace.go; nil before the first
	graph  *graph            // the edges between children, nil if there are none: see edges.go

	// Counts. The first two depend on the states of children: see setState.
	live        int // children that are alive
	significant int // significant children that are neither Stopped nor Done
	specs       int
	supers      int // children that run, or ran, a supervisor

	booting        int // declared children whose first start is pending: see Child.bootPending
	batchSize      int // BatchSize; less in tests
	fewNames       int // mostFewNames; less in tests
	suspended      bool
	continueAsked  bool   // Continue is among the actions of the current event
	endedInBoot    *Child // first significant child that ended while booting
	endedInBootErr error
	end            End

	out    []Action  // actions of the current event
	handed int       // how many of them Next has returned
	room   [3]Action // for out: enough for most events, so that they allocate nothing

	discarded Action // where publish writes an event that is not wanted
}

// New returns a machine that has not booted yet.
func New(conf Config) *Machine {
	m := new(Machine)
	m.Init(conf)
	return m
}

// Init makes m, which is zero, what New returns. The machine must not be copied afterwards.
func (m *Machine) Init(conf Config) {
	m.WantedKinds, m.conf, m.window = AllKinds, conf, rules.NewWindow(conf.Intensity)
	m.batchSize, m.fewNames = BatchSize, mostFewNames
	m.out = m.room[:0]
}

// beginEvent begins to handle an event.
func (m *Machine) beginEvent(now time.Duration) {
	m.clear()
	m.now, m.continueAsked = now, false
	if m.graph != nil && !m.SameBatch {
		m.graph.inBatch = 0
	}
}

// Next returns the next action of the latest event, or nil after the last. The action
// is valid until the next call of Next or the next event.
func (m *Machine) Next() *Action {
	if m.handed == len(m.out) {
		m.clear()
		return nil
	}
	m.handed++
	return &m.out[m.handed-1]
}

// clear forgets the actions of the latest event. It clears them too, so that they keep
// nothing from being collected.
func (m *Machine) clear() {
	clear(m.out)
	if cap(m.out) > maxKeptActions {
		m.out = m.room[:]
	}
	m.out, m.handed = m.out[:0], 0
}

// maxKeptActions limits the room that out keeps from one event to the next. The end of
// a supervisor whose children are all Waiting may lead to many more actions than that.
const maxKeptActions = 1024

// endEvent ends the handling of an event: the group operation goes on as far as it can.
func (m *Machine) endEvent() { m.advance() }

// Boot starts the declared children. It must come once, and does nothing if the
// supervisor was closed before. The specs must be valid and must not change afterwards. links
// are what rules.Link returns for them, or nil: then Boot calls it, if the children may have
// edges.
func (m *Machine) Boot(specs []child.Spec, links rules.Links, now time.Duration) {
	m.beginEvent(now)
	if m.phase != Unborn {
		m.endEvent()
		return
	}
	m.phase, m.since = Booting, now
	var room []Child
	for i := range specs {
		if len(room) == 0 {
			room = make([]Child, min(childrenAtOnce, len(specs)-i))
		}
		c := m.append(&room[0], &specs[i], originBoot)
		room = room[1:]
		c.Declared = true
		c.bootPending, c.marked = true, true
		m.booting++
	}
	if m.isGraph() {
		m.bootGraph(specs, links)
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

// childrenAtOnce is the number of declared children that share an allocation. One that is
// removed stays in memory as long as another of them.
const childrenAtOnce = 16

// bootDone ends the boot: the first start of every declared child is no longer pending.
func (m *Machine) bootDone() {
	m.phase, m.since = Up, m.now
	m.emit(IsUp, nil)
	if m.endedInBoot != nil && rules.Due(m.conf.AutoShutdown, m.significant) {
		m.close(End{Kind: EndAuto, Child: m.endedInBoot, Err: m.endedInBootErr})
	}
}

// bootSettled ends the first start of c, if c is a declared child whose first start is
// pending. Starts of c from now on are restarts, unless a caller asks for one. The state of c
// has changed in the same event.
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

// ordered reports whether children start and stop one after the other.
func (m *Machine) ordered() bool { return rules.Ordered(m.conf.Strategy) }

// forgets reports whether a child that stays down is removed.
func (m *Machine) forgets() bool { return m.conf.Strategy == strategy.Independent }

// restartsAlone reports whether a failed child that has no node is restarted without its
// siblings.
func (m *Machine) restartsAlone() bool {
	return m.conf.Strategy == strategy.OneForOne || !m.ordered()
}

package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A Child is one child of the supervisor: its spec, its state, and what is to
// happen next.
type Child struct {
	Spec *child.Spec // never changed, but replaced by Upgrade; its Name stays

	LastError   error
	LastErrorAt time.Duration // when that was
	Restarts    int           // automatic restarts
	Since       time.Duration // when it got into its state
	NextStart   time.Duration // of a Waiting child; zero: not known yet

	Handle any // the shell's; the machine does not touch it

	lastWaiter *Waiter // the last who waits for its start, or for its stop
	prev, next *Child
	seq        uint64 // position among its siblings, never reused
	run        uint64 // number of the latest run
	reason     error  // of a Waiting child: what it is restarted for; nil after a normal end

	Abandoned int32 // runs left behind that have not returned
	state     child.State
	origin    origin
	afterStop afterStop
	armed     Timer // its one timer; NoTimer: none

	Unready  bool // the run has said so; the shell's, as Handle
	Watched  bool // set by the shell: Rested is wanted
	Declared bool // stands in the supervisor's spec
	Nested   bool // a supervisor runs in the latest run
	Super    bool // a supervisor runs or ran in it
	Lost     bool // Done because the supervisor in it gave up
	Ignored  bool // Stopped because it declined to run

	marked         bool // part of the group operation: alive: must stop; down: must start
	charged        bool // its restart is in the window already
	bootPending    bool // its first start, as a declared child, is not settled
	backoffAsked   bool // its backoff was asked and has not answered
	healthy        bool // its last run was ready long enough for the backoff to begin anew
	held           bool // its restart is due and waits for Resume
	hung           bool // it is being stopped because it let its heartbeat pass
	cancelAllSent  bool // all in the supervisor in it were asked to stop at once: its time is nearly over
	abandonAllSent bool // the supervisor in it had to end now
	leftStopped    bool // it was stopped with a group and not started again
	present        bool // present among the children
}

// origin says who asked for the start that is under way, or comes next.
type origin uint8

const (
	originAuto   origin = iota // nobody: a restart
	originBoot                 // the supervisor's spec
	originAdded                // StartChild
	originManual               // RestartChild
)

// then says what follows when a Stopping child is gone.
type afterStop uint8

const (
	afterStopKeep   afterStop = iota // it is Stopped
	afterStopRemove                  // it is removed
	afterStopStart                   // it starts
	afterStopFail                    // its start, or its run, has failed
)

// Name returns the child's name.
func (c *Child) Name() string { return c.Spec.Name }

// SetLastError notes the latest error of the child, and when it was.
func (c *Child) SetLastError(err error, at time.Duration) { c.LastError, c.LastErrorAt = err, at }

// State returns what the child is doing.
func (c *Child) State() child.State { return c.state }

// Run returns the number of the latest run; the first is 1.
func (c *Child) Run() uint64 { return c.run }

// Next returns the sibling that was added after c, or nil.
func (c *Child) Next() *Child { return c.next }

// Booting reports whether the supervisor's own start waits for c, or will.
func (c *Child) Booting() bool { return c.bootPending }

// Marked reports whether c is part of the group operation in progress.
func (c *Child) Marked() bool { return c.marked }

func (c *Child) alive() bool { return c.state.Alive() }

// holds reports whether c counts as a significant child that is still there.
func (c *Child) countsAsSignificant() bool {
	return c.Spec.Significant && c.state != child.Stopped && c.state != child.Done
}

// policy reports whether c has a backoff, its own or that of the supervisor.
func (m *Machine) hasBackoff(c *Child) bool { return c.Spec.Backoff != nil || m.conf.Backoff }

// First returns the first child in start order, or nil.
func (m *Machine) First() *Child { return m.first }

// Child returns the child of that name, or nil.
func (m *Machine) Child(name string) *Child {
	if c := m.names[name]; c != nil && c.present {
		return c
	}
	return nil
}

// Phase returns where the supervisor is in its life.
func (m *Machine) Phase() Phase { return m.phase }

// Now returns when the event at hand came.
func (m *Machine) Now() time.Duration { return m.now }

// Since returns when the supervisor got into its phase.
func (m *Machine) Since() time.Duration { return m.since }

// End returns why the supervisor ends; it is meaningful from Closing on.
func (m *Machine) End() End { return m.end }

// Live returns how many children are alive.
func (m *Machine) Live() int { return m.live }

// Specs returns how many children there are.
func (m *Machine) Specs() int { return m.specs }

// Supervisors returns in how many of them a supervisor runs or ran.
func (m *Machine) Supervisors() int { return m.supers }

// setState is the only place where a child's state changes, and the counts
// that depend on it. A timer belongs to a state, so it goes with it.
func (m *Machine) setState(c *Child, s child.State) {
	m.disarm(c)
	m.live -= count(c.alive())
	m.significant -= count(c.countsAsSignificant())
	c.state, c.Since, c.NextStart = s, m.now, 0
	m.live += count(c.alive())
	m.significant += count(c.countsAsSignificant())
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// append puts c, a new child, behind all others.
func (m *Machine) append(c *Child, spec *child.Spec, o origin) *Child {
	m.seq++
	*c = Child{Spec: spec, seq: m.seq, origin: o, Since: m.now, present: true}
	m.link(c)
	m.names[spec.Name] = c
	m.specs++
	return c
}

// link makes c the last child.
func (m *Machine) link(c *Child) {
	c.prev, c.next = m.last, nil
	if m.last != nil {
		m.last.next = c
	} else {
		m.first = c
	}
	m.last = c
}

// remove forgets a child that is at rest. The lane steps off it.
func (m *Machine) remove(c *Child) {
	if m.cursor == c {
		if m.op == opStopping && m.ordered() {
			m.cursor = c.prev
		} else {
			m.cursor = c.next
		}
	}
	if m.firstMarked == c {
		m.firstMarked = c.next
	}
	if m.sweep.next == c {
		m.sweep.next = c.next
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		m.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		m.last = c.prev
	}
	c.prev, c.next, c.present = nil, nil, false
	m.noteRetired(c)
	if m.phase != Closing { // else over clears them all at once
		delete(m.names, c.Name())
	}
	m.specs--
	m.supers -= count(c.Super)
	m.publish(Removed, c, nil)
}

// group returns the first and last child that are restarted with c.
func (m *Machine) group(c *Child) (from, to *Child) {
	switch m.conf.Strategy {
	case strategy.OneForAll:
		return m.first, m.last
	case strategy.RestForOne:
		return c, m.last
	default:
		return c, c
	}
}

// Intensity returns the limit in force.
func (m *Machine) Intensity() strategy.Intensity { return m.conf.Intensity }

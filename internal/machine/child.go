package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// A Child is one child of the supervisor: its spec, its state, and what will happen to
// it next. The fields that are exported are read by the shell; it sets only those whose
// comment says so.
type Child struct {
	Spec *child.Spec // never changed, but replaced by Upgrade: see setSpec; its Name stays

	Since time.Duration // when the child entered its state

	Handle any // for the shell; the machine does not use it

	failures   *Failures // nil until needed
	lastWaiter *Waiter   // the latest caller that waits for a start or a stop: see waiter.go
	prev, next *Child
	seq        uint64 // position among its siblings
	run        uint64 // number of the latest run; zero before the first

	Restarts int32  // automatic restarts; more than two billion are not counted
	node     uint32 // under Graph: its node in graph.nodes, if it has edges: see edges.go

	state     child.State
	origin    origin
	afterStop afterStop
	armed     Timer // its one timer, or NoTimer
	sent      sent  // what the supervisor in it was asked for; cleared by launch

	// The marks. Each comment says when the mark is set and when it is cleared.

	// The run has called Unready. The shell sets and clears it.
	Unready bool
	// The run has set a status text. The shell sets and clears it.
	Said bool
	// The shell wants Retired actions. The shell sets it; it is never cleared.
	Watched bool
	// The shell wants Changed actions. The shell sets and clears it.
	Awaited bool
	// The child is in the supervisor's spec. Set by Boot and Upgrade, cleared by Upgrade.
	Declared bool
	// A supervisor runs in the latest run. Set by Linked, cleared by Unlinked and launch.
	Nested bool
	// A supervisor runs in the child, or did. Set by the first Linked, never cleared.
	Super bool
	// Done because the supervisor in it gave up. Set by completed, cleared by launch.
	Lost bool
	// Stopped because the run declined to start. Set by startExit, cleared by launch.
	Ignored bool

	// Part of the group operation: if alive it must stop, and if not it must start. Set by
	// Boot, by markGroup, and by startAsked if the operation has yet to reach the child; under
	// Graph by claim. Cleared by launch, retire, dissolve, Stop, retryDue and close; under
	// Graph by sink and act.
	marked bool
	// The restart that it waits for is in the window. Set by beginRestart and retryDue,
	// cleared when the start fails and by retire.
	charged bool
	// Declared, and its first start is pending. Set by Boot, cleared by bootSettled.
	bootPending bool
	// NextBackoff has no answer yet. Set by awaitRetry, cleared by BackoffDelay.
	backoffAsked bool
	// The latest run was ready for ResetAfter, so the backoff starts over. Each runExit sets
	// or clears it; a failed start that is retried clears it.
	healthy bool
	// Its start is due and waits for Resume. Set by holdStart, cleared by resumeHeld, launch,
	// retire and close.
	held bool
	// Its last run or start has failed, and it has not been ready since. Set by noteFailure,
	// cleared by Ready, stoppedExit, runExit and retire.
	failing bool
	// It was stopped because it missed its heartbeat. Set by a BeatTimer, cleared by launch.
	hung bool
	// Stopped with its group and not started with it. Set by dissolve, cleared by launch,
	// retire, publishLeftStopped and close.
	leftStopped bool
	// Its spec leaves out what setSpec looks for, as most do. Set by setSpec.
	Plain bool
}

// Failures is what only a child needs that has failed or was abandoned. Most children never
// do, and there may be a hundred thousand of them.
type Failures struct {
	LastError   error
	LastErrorAt time.Duration // when LastError happened
	NextStart   time.Duration // of a Waiting child; zero while it is not known
	Abandoned   int           // abandoned runs that have not returned

	reason error // of a Waiting child: why it is restarted; nil after a normal end
}

// noFailures is the shared zero value. It must not be written.
var noFailures Failures

// Failures returns the failures of c for reading.
func (c *Child) Failures() *Failures {
	if c.failures == nil {
		return &noFailures
	}
	return c.failures
}

// ensureFailures returns the failures of c for writing. They are kept from then on, so that
// a child that is restarted again and again allocates them once.
func (c *Child) ensureFailures() *Failures {
	if c.failures == nil {
		c.failures = new(Failures)
	}
	return c.failures
}

// An origin is the cause of a start, of the one in progress or the next one.
type origin uint8

const (
	originAuto   origin = iota // no caller: an automatic restart
	originBoot                 // the supervisor's spec
	originAdded                // StartChild
	originManual               // RestartChild
)

// An afterStop is what happens to a child that stops, or has to under Graph, when its run
// has ended. If the child is marked, the group operation decides instead.
type afterStop uint8

const (
	afterStopKeep   afterStop = iota // it is Stopped
	afterStopRemove                  // it is removed
	afterStopStart                   // it starts
	afterStopFail                    // its start or its run has failed
)

// sent is what the supervisor in a child was asked for because the child takes long to stop.
type sent uint8

const (
	cancelAllSent  sent = 1 << iota // to stop all its children at once: most of the stop timeout has passed
	abandonAllSent                  // to abandon its children: all of it has passed
)

// Name returns the child's name.
func (c *Child) Name() string { return c.Spec.Name }

// SetLastError records err, which happened at that time, as the latest error of c.
func (c *Child) SetLastError(err error, at time.Duration) {
	f := c.ensureFailures()
	f.LastError, f.LastErrorAt = err, at
}

// forgetNextStart clears NextStart.
func (c *Child) forgetNextStart() {
	if c.failures != nil {
		c.failures.NextStart = 0
	}
}

// State returns what the child is doing.
func (c *Child) State() child.State { return c.state }

// Run returns the number of the latest run, zero before the first.
func (c *Child) Run() uint64 { return c.run }

// Hung reports whether c is Stopping or Waiting because it missed its heartbeat.
func (c *Child) Hung() bool {
	return c.hung && (c.state == child.Stopping || c.state == child.Waiting)
}

// Failing reports whether c is Starting or Waiting because its last run or start has failed.
func (c *Child) Failing() bool {
	return c.failing && (c.state == child.Starting || c.state == child.Waiting)
}

// Removing reports whether c will be removed when it has stopped.
func (c *Child) Removing() bool {
	return c.alive() && c.afterStop == afterStopRemove
}

// Adding reports whether c was added by request, and its start is not over.
func (c *Child) Adding() bool { return c.origin == originAdded }

// Next returns the sibling after c in start order, or nil.
func (c *Child) Next() *Child { return c.next }

// Booting reports whether the start of the supervisor waits for c, or will do so.
func (c *Child) Booting() bool { return c.bootPending }

// Marked reports whether c is part of the group operation in progress, or must start under
// Graph.
func (c *Child) Marked() bool { return c.marked }

func (c *Child) alive() bool { return c.state.Alive() }

// setSpec gives c a spec.
func (c *Child) setSpec(spec *child.Spec) {
	c.Spec = spec
	c.Plain = spec.Restart != child.Temporary && !spec.Significant && spec.Decide == nil &&
		spec.StartTimeout == 0 && spec.StopTimeout == 0 && spec.Heartbeat == 0
}

// The following fields of a spec are looked at whenever a child starts or stops. When ten
// thousand do so at the same time, their specs are in no cache, so reading one is expensive.
// If c is Plain, that is not needed.

func (c *Child) temporary() bool   { return !c.Plain && c.Spec.Restart == child.Temporary }
func (c *Child) significant() bool { return !c.Plain && c.Spec.Significant }

func (c *Child) startTimeout() time.Duration {
	if c.Plain {
		return 0
	}
	return c.Spec.StartTimeout
}

func (c *Child) heartbeat() time.Duration {
	if c.Plain {
		return 0
	}
	return c.Spec.Heartbeat
}

func (c *Child) stopTimeout() time.Duration {
	if c.Plain {
		return 0
	}
	return c.Spec.StopTimeout
}

// isPresent reports whether c is among the children.
func (m *Machine) isPresent(c *Child) bool { return c.prev != nil || m.first == c }

// countsAsSignificant reports whether c is significant, and neither Stopped nor Done.
func (c *Child) countsAsSignificant() bool {
	return c.significant() && c.state != child.Stopped && c.state != child.Done
}

// hasBackoff reports whether c has a backoff, its own or that of the supervisor.
func (m *Machine) hasBackoff(c *Child) bool { return c.Spec.Backoff != nil || m.conf.Backoff }

// Suspended reports whether Suspend was called, and Resume not since.
func (m *Machine) Suspended() bool { return m.suspended }

// First returns the first child in start order, or nil.
func (m *Machine) First() *Child { return m.first }

// Phase returns the phase of the supervisor's life.
func (m *Machine) Phase() Phase { return m.phase }

// Now returns the time of the current event, or of the latest.
func (m *Machine) Now() time.Duration { return m.now }

// Since returns when the phase began.
func (m *Machine) Since() time.Duration { return m.since }

// End returns why the supervisor ends. It is valid from Closing on.
func (m *Machine) End() End { return m.end }

// Live returns the number of children that are alive.
func (m *Machine) Live() int { return m.live }

// Specs returns the number of children.
func (m *Machine) Specs() int { return m.specs }

// Supervisors returns the number of children that run, or ran, a supervisor.
func (m *Machine) Supervisors() int { return m.supers }

// setState changes the state of c, and the counts that depend on it. Nothing else
// changes a state. A timer belongs to a state, so it is cleared.
func (m *Machine) setState(c *Child, s child.State) {
	m.disarm(c)
	m.live -= count(c.alive())
	m.significant -= count(c.countsAsSignificant())
	c.state, c.Since = s, m.now
	c.forgetNextStart()
	m.live += count(c.alive())
	m.significant += count(c.countsAsSignificant())
	if c.Awaited {
		m.emitChanged(c)
	}
	if c.node != 0 {
		m.stateChanged(c)
	}
}

// emitChanged is not inlined, to keep the frames of its callers small.
//
//go:noinline
func (m *Machine) emitChanged(c *Child) { m.emit(Changed, c) }

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// append adds c, a new child, after all others.
func (m *Machine) append(c *Child, spec *child.Spec, o origin) *Child {
	m.seq++
	*c = Child{seq: m.seq, origin: o, Since: m.now}
	c.setSpec(spec)
	m.link(c)
	m.specs++
	m.addName(c)
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

// remove removes a child that is Stopped or Done. The group operation and the sweep
// step past it.
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
	c.prev, c.next = nil, nil
	if c.node != 0 {
		m.disconnect(c)
	}
	m.noteRetired(c)
	if c.Awaited {
		m.emitChanged(c)
	}
	if m.phase != Closing { // else over removes them all at once
		delete(m.names, c.Name())
	}
	m.specs--
	m.supers -= count(c.Super)
	m.publish(Removed, c, nil)
}

// group returns the first and the last child that are restarted with c.
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

// Counted returns the number of restarts that count towards the limit at that time.
func (m *Machine) Counted(now time.Duration) int { return m.window.Counted(now) }

// Window returns a copy of the window that counts restarts, without those that no longer
// count at that time.
func (m *Machine) Window(now time.Duration) rules.Window { return m.window.Copy(now) }

// Intensity returns the limit in force.
func (m *Machine) Intensity() strategy.Intensity { return m.conf.Intensity }

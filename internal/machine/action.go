package machine

import (
	"errors"
	"math"
	"time"

	"github.com/coppice-go/coppice/child"
)

// An Action is one thing for the shell to do.
type Action struct {
	Kind   Kind
	Timer  Timer     // of Arm
	Event  EventKind // of Publish
	Why    Why       // of Cancel
	Next   Next      // of Publish with Failed or Completed: what follows
	Reset  bool      // of NextBackoff: the backoff starts over first
	Clean  bool      // of Publish with Stopped: the run returned nothing that must be reported
	Start  bool      // of Inform: the caller waits for a start
	Count  int32     // of Publish: the child's restarts so far
	Child  *Child
	Run    uint64        // the run that the action is about; of Publish with Stopped zero if none has ended
	Wait   time.Duration // of Arm, and of Publish with Restarting; with Ready, how long the start took
	Err    error         // of Answer, Report and Publish
	Waiter *Waiter       // of Answer and Inform
}

// Kind is what an action asks for.
type Kind uint8

const (
	Launch      Kind = iota + 1 // call the child's Run
	Cancel                      // cancel the context of the run, for the reason Why
	Arm                         // set the child's one timer, in place of the one that is set
	Disarm                      // clear the timer
	NextBackoff                 // ask the child's backoff for the next delay; reply with BackoffDelay
	Abandon                     // wait for the run no longer
	Continue                    // call Machine.Continue soon, after other events that are due
	CancelAll                   // of a nested supervisor: call its CancelAll
	AbandonAll                  // of a nested supervisor: call its AbandonAll
	Report                      // a run that was stopped has returned: record its faults, Err too if not nil
	Inform                      // pass what Abandon or Report has recorded to a caller that waits
	Answer                      // answer a caller
	Publish                     // publish an event
	IsUp                        // all declared children have started
	IsClosing                   // the supervisor has begun to stop its children
	IsOver                      // no child runs any more
	Retired                     // a child that is Watched is Stopped or Done, or is removed
	Changed                     // a child that is Awaited has entered another state, or is removed
)

// Timer is the purpose of a child's timer.
type Timer uint8

const (
	NoTimer    Timer = iota
	SlowTimer        // a start takes long enough to be reported
	StartTimer       // a start took too long
	StopTimer        // a stop took too long
	RetryTimer       // a restart is due
	BeatTimer        // a heartbeat is due
)

// EventKind is what an event reports. The numbers are those of the public events that
// the shell makes of them.
type EventKind uint8

const (
	Starting   EventKind = iota + 1 // Run is called
	Ready                           // the child is ready
	Failed                          // a start or a run failed
	Restarting                      // it will be restarted after Wait
	Completed                       // it ended by itself, without a failure
	Stopping                        // it was asked to stop
	Stopped                         // it stopped as asked
	Abandoned                       // it did not stop in time
	LateExit                        // an abandoned run has returned
	Removed                         // it is no longer a child
	_                               // an event of the shell alone
	_
	Hung      // it missed its heartbeat
	SlowStart // its start takes long
	GaveUp    // the supervisor gives up
)

// EventKinds is a set of kinds.
type EventKinds uint32

// Set returns the set that has n alone.
func (n EventKind) Set() EventKinds { return 1 << n }

// AllKinds is the set of all kinds, which is what a new machine publishes.
const AllKinds = ^EventKinds(0)

// Why is the reason for a Cancel.
type Why uint8

const (
	WhyStopped Why = iota + 1 // a caller asked for it
	WhyRemoved                // a caller removed the child
	WhySibling                // its group is restarted
	WhyTimeout                // its start took too long
	WhyHung                   // it missed its heartbeat
	WhyClosing                // the supervisor ends
)

// Next is what follows the end of a run, as far as it is known when the run ends.
type Next uint8

const (
	AsksBackoff       Next = iota // its backoff decides when it is restarted, or to give up
	StaysDown                     // it is not restarted
	Restarts                      // it is restarted without delay
	SupervisorGivesUp             // the supervisor gives up
)

// Outcome is how a run ended, according to what it returned.
type Outcome struct {
	Err     error
	Kind    OutcomeKind
	GaveUp  bool // the run was a supervisor that gave up
	Unclean bool // Err must be reported even if the run was stopped
}

// OutcomeKind classifies an Outcome.
type OutcomeKind uint8

const (
	Normal    OutcomeKind = iota // nil
	Shutdown                     // child.ErrShutdown
	Done                         // child.ErrDone
	Ignore                       // child.ErrIgnore
	Failure                      // any other error
	Escalated                    // child.Escalate
)

// End is why a supervisor ends.
type End struct {
	Kind  EndKind
	Child *Child // the child whose failure or end caused it; nil for EndAsked
	Err   error  // the error of that child
}

// EndKind classifies the end of a supervisor.
type EndKind uint8

const (
	EndAsked     EndKind = iota // Close, CancelAll or AbandonAll
	EndStart                    // a declared child failed to start
	EndIntensity                // too many restarts
	EndBackoff                  // a child's backoff gave up
	EndEscalated                // a child escalated
	EndAuto                     // significant children have ended
)

// GaveUp reports whether the supervisor gave up.
func (k EndKind) GaveUp() bool {
	return k == EndIntensity || k == EndBackoff || k == EndEscalated
}

// The errors with which a request is refused or a caller is answered.
var (
	ErrNotRunning  = errors.New("not running")
	ErrNotFound    = errors.New("no such child")
	ErrDuplicate   = errors.New("name already in use")
	ErrMaxChildren = errors.New("too many children")
	ErrSuspended   = errors.New("suspended")
	ErrStrategy    = errors.New("a running supervisor cannot change its strategy from or to independent or graph")

	// ErrNeeded refuses to remove a child that another one needs.
	ErrNeeded = errors.New("needed by another child")

	// ErrAbandoned answers a caller that asked for a stop in which the run was abandoned.
	ErrAbandoned = errors.New("abandoned")
	// ErrLeftStopped is the error of a child that was stopped with its group and not
	// started again, because the restart of the group was cancelled.
	ErrLeftStopped = errors.New("left stopped: the restart of its group was cancelled")
	// ErrNeedStopped is the error of a child that stays stopped because one that it needs
	// was stopped by a caller, or could not be started.
	ErrNeedStopped = errors.New("left stopped: a child that it needs was stopped")
)

// SlowStartAfter is how long a start may take before it is reported as slow.
const SlowStartAfter = 10 * time.Second

// emit adds an action about the latest run of c, which may be nil. The caller fills in
// the other fields in place, which are zero. There are no copies of an Action on the
// stack because the machine may run on the stack of a child that has just become ready,
// and that stack should stay small.
func (m *Machine) emit(k Kind, c *Child) *Action {
	n := len(m.out)
	if n < cap(m.out) {
		m.out = m.out[:n+1]
	} else {
		m.out = append(m.out, Action{})
		if n == len(m.room) {
			clear(m.room[:]) // no longer in use
		}
	}
	a := &m.out[n]
	a.Kind, a.Child = k, c
	if c != nil {
		a.Run = c.run
	}
	return a
}

// publish publishes an event of c if its kind is wanted. The action that it returns may
// be filled in either way.
func (m *Machine) publish(n EventKind, c *Child, err error) *Action {
	if m.WantedKinds&n.Set() == 0 {
		return &m.discarded
	}
	a := m.emit(Publish, c)
	a.Event, a.Count, a.Err = n, c.Restarts, err
	return a
}

// After returns now plus d, or the largest Duration if the sum overflows.
func After(now, d time.Duration) time.Duration {
	if d > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + d
}

func (m *Machine) arm(c *Child, t Timer, wait time.Duration) {
	c.armed = t
	a := m.emit(Arm, c)
	a.Timer, a.Wait = t, wait
}

func (m *Machine) disarm(c *Child) {
	if c.armed != NoTimer {
		c.armed = NoTimer
		m.emit(Disarm, c)
	}
}

// StopTimeout returns how long a stop of c may take. ok is false if there is no limit.
func (c *Child) StopTimeout() (d time.Duration, ok bool) {
	switch d := c.stopTimeout(); {
	case d == child.Forever, d == 0 && c.Nested:
		return 0, false
	case d == 0:
		return child.DefaultStopTimeout, true
	case d < 0:
		return 0, true
	default:
		return d, true
	}
}

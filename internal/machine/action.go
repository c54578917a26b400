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
	Event  EventKind // of Tell
	Why    Why       // of Cancel
	Next   Next      // of Tell(Failed) and Tell(Completed): what follows
	Reset  bool      // of Ask: the policy begins anew first
	Child  *Child
	Run    uint64        // the run it is about
	Count  int           // of Tell: the child's restarts so far
	Clean  bool          // of Tell(Stopped): what the run returned need not be reported
	Wait   time.Duration // of Arm and of Tell(Restarting)
	Err    error         // of Answer and Tell
	Waiter *Waiter       // of Answer and Inform
	Start  bool          // of Inform: the caller waits for a start
}

// Kind is what to do.
type Kind uint8

const (
	Launch      Kind = iota + 1 // call the child's Run
	Cancel                      // end the context of the run, for the reason Why
	Arm                         // set the child's one timer, in place of any other
	Disarm                      // clear it
	NextBackoff                 // ask the child's backoff for the next delay; answer with Delay
	Abandon                     // the run is left to itself
	Continue                    // there is more of the same to do: come back with More
	CancelAll                   // a nested supervisor: ask all that is left to stop, now
	AbandonAll                  // a nested supervisor: end now, leave behind what does not
	Report                      // a run that had to stop has returned: note what was wrong, Err among it
	Inform                      // tell a caller who waits for the child what Abandon or Report has noted
	Answer                      // give a caller its answer
	Publish                     // publish an event
	IsUp                        // the declared children are up
	IsClosing                   // the end has begun
	IsOver                      // nothing runs any more
	Retired                     // a child that was Watched has come to rest, or is removed
)

// Timer is what a child's timer is for.
type Timer uint8

const (
	NoTimer    Timer = iota
	SlowTimer        // a start that takes long is to be told
	StartTimer       // a start has taken too long
	StopTimer        // a stop has taken too long
	RetryTimer       // a restart is due
	BeatTimer        // a heartbeat is due
)

// EventKind is what an event tells. The numbers are those of the events that the shell
// makes of them.
type EventKind uint8

const (
	Starting   EventKind = iota + 1 // Run is called
	Ready                           // the child is ready
	Failed                          // a start or a run failed
	Restarting                      // it will be restarted after Wait
	Completed                       // it ended by itself, and well
	Stopping                        // it was asked to stop
	Stopped                         // it stopped as asked
	Abandoned                       // it did not, and is left behind
	LateExit                        // a run that was left behind has returned
	Removed                         // its spec is forgotten
	_                               // the shell has events of its own
	_
	Hung      // it let its heartbeat pass
	SlowStart // its start takes long
	GaveUp    // the supervisor gives up
)

// EventKinds is a set of notes.
type EventKinds uint32

// Set returns the set of n alone.
func (n EventKind) Set() EventKinds { return 1 << n }

// AllKinds are the notes that a machine tells if nobody says otherwise.
const AllKinds = ^EventKinds(0)

// Why is the reason for a Cancel.
type Why uint8

const (
	WhyStopped Why = iota + 1 // somebody asked for it
	WhyRemoved                // somebody asked for it, for good
	WhySibling                // its group is restarted
	WhyTimeout                // its start took too long
	WhyHung                   // it let its heartbeat pass
	WhyClosing                // the supervisor ends
)

// Next is what follows the end of a run, as far as it is known at once.
type Next uint8

const (
	AsksBackoff       Next = iota // its backoff says when it is restarted, or that the supervisor gives up
	StaysDown                     // it is not restarted
	Restarts                      // it is restarted without a pause
	SupervisorGivesUp             // the supervisor gives up
)

// Outcome is how a run ended, by its own words.
type Outcome struct {
	Err     error
	Kind    OutcomeKind
	GaveUp  bool // it is the end of a supervisor that gave up
	Unclean bool // Err must be reported even if the run had to stop anyway
}

// OutcomeKind classifies an end.
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
	Child *Child // whose failure or end led to it; nil for EndAsked
	Err   error  // its error
}

// EndKind classifies the end of a supervisor.
type EndKind uint8

const (
	EndAsked     EndKind = iota // somebody asked for it
	EndStart                    // a declared child could not start
	EndIntensity                // too many restarts
	EndBackoff                  // a child's backoff gave up
	EndEscalated                // a child asked for it
	EndAuto                     // significant children have ended
)

// GaveUp reports whether the supervisor gave up.
func (k EndKind) GaveUp() bool {
	return k == EndIntensity || k == EndBackoff || k == EndEscalated
}

// What a request is refused with, or a caller is answered. Those marked OTP are
// the refusals of OTP's calls, which the public calls do not need: they look at
// the state first.
var (
	ErrNotRunning  = errors.New("not running")
	ErrNotFound    = errors.New("no such child")
	ErrDuplicate   = errors.New("name is taken")
	ErrMaxChildren = errors.New("too many children")
	ErrSuspended   = errors.New("suspended")
	ErrStrategy    = errors.New("a running supervisor cannot become or cease to be independent")

	// ErrAbandoned answers a caller whose stop has left a run behind.
	ErrAbandoned = errors.New("left behind")
	// ErrLeftStopped tells of a child that was stopped with its group and not
	// started again, because the restart of the group was cancelled.
	ErrLeftStopped = errors.New("left stopped: the restart of its group was cancelled")
)

// SlowStartAfter is how long a start may take before it is told.
const SlowStartAfter = 10 * time.Second

// emit adds an action, about the latest run of c. It is written in place: the
// stack of a child that has just become ready, which may go through all of this,
// has little room for copies. What is not written is zero.
func (m *Machine) emit(k Kind, c *Child) *Action {
	n := len(m.out)
	if n < cap(m.out) {
		m.out = m.out[:n+1]
	} else {
		m.out = append(m.out, Action{})
		if n == len(m.room) {
			clear(m.room[:]) // which is out of use now
		}
	}
	a := &m.out[n]
	a.Kind, a.Child = k, c
	if c != nil {
		a.Run = c.run
	}
	return a
}

// tell publishes an event, unless nobody wants to know.
func (m *Machine) publish(n EventKind, c *Child, err error) *Action {
	if m.WantedKinds&n.Set() == 0 {
		return &m.discarded
	}
	a := m.emit(Publish, c)
	a.Event, a.Count, a.Err = n, c.Restarts, err
	return a
}

// After returns the moment that lies d after now: the end of time if it lies beyond.
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

// StopTimeout is how long a stop of c may take; ok is false for no limit.
func (c *Child) StopTimeout() (d time.Duration, ok bool) {
	switch d := c.Spec.StopTimeout; {
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

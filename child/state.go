package child

import "github.com/coppice-go/coppice/internal/enum"

// State is what a child is doing. The usual ways:
//
//	        launch           Ready         ended for good
//	Stopped ------> Starting -----> Running -------------> Done
//	   ^              ^  |          |    |
//	   |  restart due |  | failed   |    | asked to stop
//	   |              |  +----+-----+    |
//	   |              |       v          v
//	   |              +--- Waiting <- Stopping
//	   |                      |          |
//	   +----------------------+----------+
//
// All ways, as Status shows them. A state that takes no time is not seen: a child
// that is restarted at once goes from Running to Starting.
//
//	from      to        when
//	Stopped   Starting  its turn has come, somebody asked, or its group restarts
//	Starting  Running   ctx.Ready
//	Starting  Stopping  asked to stop: by hand, with its group, or by its StartTimeout
//	Starting  Waiting   its start has failed and is tried again
//	Starting  Stopped   it declined to run, or its start has failed and is not tried again
//	Starting  Done      a task is done
//	Running   Stopping  asked to stop: by hand, with its group, or by its Heartbeat
//	Running   Waiting   it ended and is restarted: after its backoff, or with its group
//	Running   Starting  it ended and is restarted at once
//	Running   Done      it ended for good
//	Running   Stopped   it ended, and its supervisor gave up
//	Stopping  Stopped   Run has returned, or was left behind
//	Stopping  Waiting   the same, of a child that is to start again: with its group, or after its backoff
//	Stopping  Starting  the same, at once: RestartChild, or the group begins with it
//	Waiting   Starting  its restart is due, or somebody asked
//	Waiting   Stopped   its restart was cancelled, or its supervisor ends
//	Done      Starting  its group restarts, or somebody asked
//	Done      Stopped   StopChild
//
// A Temporary child that ends, and one that is removed, is gone instead.
type State uint8

const (
	// Stopped: not running, and not on its own way to a restart. It was stopped by
	// hand, declined to run (ErrIgnore), has not had its turn yet, or went down with
	// its group while the child that failed waits for its backoff; then it starts
	// when that child does.
	Stopped State = iota
	// Starting: Run was called, Ready was not.
	Starting
	// Running: ready.
	Running
	// Stopping: asked to stop, Run has not returned.
	Stopping
	// Waiting: not running, and will be restarted: after its backoff, or in its
	// turn with its group.
	Waiting
	// Done: ended by itself and is not to be restarted; the spec is kept.
	Done
)

var states = enum.Of[State]("state", "child: no such state",
	"stopped", "starting", "running", "stopping", "waiting", "done")

// String returns the name, as "running".
func (s State) String() string { return states.String(s) }

// Alive reports whether the child's Run has been called and has not returned:
// Starting, Running or Stopping.
func (s State) Alive() bool { return s == Starting || s == Running || s == Stopping }

// MarshalText returns the name.
func (s State) MarshalText() ([]byte, error) { return states.MarshalText(s) }

// UnmarshalText accepts a name that String returns.
func (s *State) UnmarshalText(text []byte) error { return states.UnmarshalText(s, text) }

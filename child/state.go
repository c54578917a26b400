package child

import "github.com/coppice-go/coppice/internal/enum"

// State is what a child is doing. The usual transitions:
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
// All transitions, as Status shows them. A state that takes no time is not visible: a
// child that is restarted without a delay goes from Running to Starting.
//
//	from      to        when
//	Stopped   Starting  its turn has come, a call starts it, or its group restarts
//	Starting  Running   it called ctx.Ready
//	Starting  Stopping  it must stop: by a call, with its group, or by its StartTimeout
//	Starting  Waiting   its start has failed and will be retried
//	Starting  Stopped   it declined to run, or its start has failed and will not be retried
//	Starting  Done      it is a task that is done
//	Running   Stopping  it must stop: by a call, with its group, or by its Heartbeat
//	Running   Waiting   it ended and will be restarted: after its backoff, or with its group
//	Running   Starting  it ended and is restarted without a delay
//	Running   Done      it ended for good
//	Running   Stopped   it ended, and its supervisor gave up
//	Stopping  Stopped   the run has returned, or was abandoned
//	Stopping  Waiting   the same, and it will be restarted: with its group, or after its backoff
//	Stopping  Done      the same; it was Done before, and its new spec from Apply was taken back (Graph)
//	Stopping  Starting  the same, and it is restarted at once: by RestartChild, or as the first of its group
//	Waiting   Starting  its restart is due, or a call starts it
//	Waiting   Stopped   its restart was cancelled, or its supervisor stops
//	Done      Starting  its group restarts, or a call starts it
//	Done      Stopped   by StopChild
//
// A Temporary child that ends is removed instead, and a removed child has no state.
type State uint8

const (
	// Stopped: not running, and no restart of the child itself is pending. It was
	// stopped by a call, declined to run (ErrIgnore), has not had its turn yet, or was
	// stopped with its group while the child that failed waits for its backoff. In the
	// last case it starts when that child does.
	Stopped State = iota
	// Starting: Run has been called, and has not called Ready yet.
	Starting
	// Running: the child has called Ready.
	Running
	// Stopping: the context is cancelled, and Run has not returned yet.
	Stopping
	// Waiting: not running, and will be restarted, after its backoff or when its turn
	// comes in a group restart.
	Waiting
	// Done: ended by itself and will not be restarted. The spec is kept.
	Done
)

var states = enum.Of[State]("state", "child: no such state",
	"stopped", "starting", "running", "stopping", "waiting", "done")

// String returns the name, such as "running".
func (s State) String() string { return states.String(s) }

// Alive reports whether Run has been called and has not returned: the state is Starting,
// Running or Stopping.
func (s State) Alive() bool { return s == Starting || s == Running || s == Stopping }

// MarshalText returns the name.
func (s State) MarshalText() ([]byte, error) { return states.MarshalText(s) }

// UnmarshalText accepts a name that String returns.
func (s *State) UnmarshalText(text []byte) error { return states.UnmarshalText(s, text) }

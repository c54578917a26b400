package child

import "fmt"

// State is what a child is doing.
//
//	            launch             Ready
//	Stopped ------------> Starting ------> Running
//	   ^  ^                 |   |           |   |
//	   |  |   stop asked    |   |  failed   |   |  ended for good
//	   |  +--- Stopping <---+---|-----------+   +----------------> Done
//	   |         |              v           |
//	   |         | group    Waiting <-------+
//	   |         +--------> |     |  restart due
//	   +--------------------+     +------------> Starting
//	      restart cancelled
//
// Done children start again when their group is restarted or somebody asks.
type State uint8

const (
	// Stopped: not running, and nothing will start it by itself. It was stopped
	// by hand, declined to run (ErrIgnore), or has not had its turn yet.
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

var stateNames = [...]string{"stopped", "starting", "running", "stopping", "waiting", "done"}

// String returns the name, as "running".
func (s State) String() string {
	if s.Valid() {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Valid reports whether s is one of the six.
func (s State) Valid() bool { return int(s) < len(stateNames) }

// Alive reports whether the child's Run has been called and has not returned:
// Starting, Running or Stopping.
func (s State) Alive() bool { return s == Starting || s == Running || s == Stopping }

// MarshalText returns the name.
func (s State) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("child: no such state: %d", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText accepts a name that String returns.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("child: no such state: %q", text)
}

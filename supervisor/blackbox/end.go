package blackbox

import "github.com/coppice-go/coppice/internal/enum"

// An End is how a life ended. In JSON it is text, such as "killed".
type End uint8

const (
	// Running: its process is still recording.
	Running End = iota + 1
	// Clean: the tree had ended, for whatever reason, or was never started.
	Clean
	// Detached: the function that Watch returned was called while the tree was running.
	// How the process ended is not known. A deferred call has this effect if main panics.
	Detached
	// Crashed: the process ended with a panic or a fatal error of the runtime, or by a
	// signal such as SIGQUIT. This needs Spec.Crash.
	Crashed
	// Killed: nothing says that the tree ended. The process got a SIGKILL, for example
	// from the kernel because memory was short, or called os.Exit or log.Fatal while the
	// tree was running, or the machine lost its power; without Spec.Crash it may also
	// have crashed.
	Killed
)

var ends = enum.Of[End]("end", "blackbox: no such end", "", "running", "clean", "detached", "crashed", "killed")

// String returns the name, such as "killed".
func (e End) String() string { return ends.String(e) }

// MarshalText returns the name.
func (e End) MarshalText() ([]byte, error) { return ends.MarshalText(e) }

// UnmarshalText accepts a name that String returns.
func (e *End) UnmarshalText(text []byte) error { return ends.UnmarshalText(e, text) }

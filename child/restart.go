package child

import "github.com/coppice-go/coppice/internal/enum"

// Restart says whether a child that ended by itself is restarted. The zero
// value is Permanent. From OTP.
//
//	           nil, ErrShutdown    any other error, panic, Goexit
//	Permanent  restarted           restarted
//	Transient  Done, spec kept     restarted
//	Temporary  forgotten           forgotten
//
// ErrDone ends a child of any kind for good, and Escalate ends the supervisor.
type Restart uint8

const (
	// Permanent children are always restarted.
	Permanent Restart = iota
	// Transient children are restarted when they fail.
	Transient
	// Temporary children are never restarted; their spec goes with them.
	Temporary
)

var restarts = enum.Of[Restart]("restart", "child: no such restart",
	"permanent", "transient", "temporary")

// String returns the name, as "permanent".
func (r Restart) String() string { return restarts.String(r) }

// MarshalText returns the name.
func (r Restart) MarshalText() ([]byte, error) { return restarts.MarshalText(r) }

// UnmarshalText accepts a name that String returns.
func (r *Restart) UnmarshalText(text []byte) error { return restarts.UnmarshalText(r, text) }

package child

import "github.com/coppice-go/coppice/internal/enum"

// Restart says whether a child that ended by itself is restarted. The zero value is
// Permanent. The names are those of OTP.
//
//	           nil, ErrShutdown    any other error, panic, Goexit
//	Permanent  restarted           restarted
//	Transient  Done, spec kept     restarted
//	Temporary  removed             removed
//
// Whatever its Restart, ErrDone ends a child for good, and Escalate makes the
// supervisor give up.
type Restart uint8

const (
	// Permanent children are always restarted.
	Permanent Restart = iota
	// Transient children are restarted when they fail.
	Transient
	// Temporary children are never restarted. They are removed when they end.
	Temporary
)

var restarts = enum.Of[Restart]("restart", "child: no such restart",
	"permanent", "transient", "temporary")

// String returns the name, such as "permanent".
func (r Restart) String() string { return restarts.String(r) }

// MarshalText returns the name.
func (r Restart) MarshalText() ([]byte, error) { return restarts.MarshalText(r) }

// UnmarshalText accepts a name that String returns.
func (r *Restart) UnmarshalText(text []byte) error { return restarts.UnmarshalText(r, text) }

package strategy

import "github.com/coppice-go/coppice/internal/enum"

// AutoShutdown determines whether a supervisor ends by itself when its significant
// children have ended. The zero value is Never. Only an end without a restart counts: a
// Transient child that ended normally, or a Temporary child that ended in any way. A
// child that was stopped, by a call or with its group, does not count. It corresponds to
// OTP's auto_shutdown.
type AutoShutdown uint8

const (
	// Never: the supervisor does not end by itself.
	Never AutoShutdown = iota
	// AnySignificant: the supervisor ends when a significant child has ended.
	AnySignificant
	// AllSignificant: the supervisor ends when a significant child has ended and no
	// other significant child is running or waiting for its restart. As in OTP, a child
	// that was stopped with its group does not count as waiting while the child that
	// failed waits for its backoff.
	AllSignificant
)

var autoShutdowns = enum.Of[AutoShutdown]("auto-shutdown", "strategy: no such auto shutdown",
	"never", "any-significant", "all-significant")

// String returns the name, such as "any-significant".
func (a AutoShutdown) String() string { return autoShutdowns.String(a) }

// MarshalText returns the name.
func (a AutoShutdown) MarshalText() ([]byte, error) { return autoShutdowns.MarshalText(a) }

// UnmarshalText accepts a name that String returns.
func (a *AutoShutdown) UnmarshalText(text []byte) error { return autoShutdowns.UnmarshalText(a, text) }

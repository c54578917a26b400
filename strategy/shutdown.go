package strategy

import "github.com/coppice-go/coppice/internal/enum"

// AutoShutdown says whether a supervisor ends by itself when its significant
// children have. The zero value is Never. Only an end that is not restarted
// counts: a Transient child that ended well, or a Temporary one that ended in
// any way. A child that was stopped, by hand or with its group, does not.
// From OTP's auto_shutdown.
type AutoShutdown uint8

const (
	// Never: the supervisor does not end by itself.
	Never AutoShutdown = iota
	// AnySignificant: it ends when a significant child has ended.
	AnySignificant
	// AllSignificant: it ends when a significant child has ended and no other
	// is left running or waiting for its restart. One that went down with its group,
	// while the child that failed waits for its backoff, does not count as waiting,
	// as in OTP.
	AllSignificant
)

var autoShutdowns = enum.Of[AutoShutdown]("auto-shutdown", "strategy: no such auto shutdown",
	"never", "any-significant", "all-significant")

// String returns the name, as "any-significant".
func (a AutoShutdown) String() string { return autoShutdowns.String(a) }

// MarshalText returns the name.
func (a AutoShutdown) MarshalText() ([]byte, error) { return autoShutdowns.MarshalText(a) }

// UnmarshalText accepts a name that String returns.
func (a *AutoShutdown) UnmarshalText(text []byte) error { return autoShutdowns.UnmarshalText(a, text) }

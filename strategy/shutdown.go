package strategy

import "fmt"

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

var autoShutdownNames = [...]string{"never", "any-significant", "all-significant"}

// String returns the name, as "any-significant".
func (a AutoShutdown) String() string {
	if a.Valid() {
		return autoShutdownNames[a]
	}
	return fmt.Sprintf("auto-shutdown(%d)", uint8(a))
}

// Valid reports whether a is one of the three.
func (a AutoShutdown) Valid() bool { return int(a) < len(autoShutdownNames) }

// Due reports whether the end of a significant child ends the supervisor;
// left is how many other significant children run or wait for a restart.
func (a AutoShutdown) Due(left int) bool {
	return a == AnySignificant || a == AllSignificant && left == 0
}

// MarshalText returns the name.
func (a AutoShutdown) MarshalText() ([]byte, error) {
	if !a.Valid() {
		return nil, fmt.Errorf("strategy: no such auto shutdown: %d", uint8(a))
	}
	return []byte(a.String()), nil
}

// UnmarshalText accepts a name that String returns.
func (a *AutoShutdown) UnmarshalText(text []byte) error {
	for i, name := range autoShutdownNames {
		if name == string(text) {
			*a = AutoShutdown(i)
			return nil
		}
	}
	return fmt.Errorf("strategy: no such auto shutdown: %q", text)
}

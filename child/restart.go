package child

import "fmt"

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

var restartNames = [...]string{"permanent", "transient", "temporary"}

// String returns the name, as "permanent".
func (r Restart) String() string {
	if r.Valid() {
		return restartNames[r]
	}
	return fmt.Sprintf("restart(%d)", uint8(r))
}

// Valid reports whether r is one of the three.
func (r Restart) Valid() bool { return int(r) < len(restartNames) }

// MarshalText returns the name.
func (r Restart) MarshalText() ([]byte, error) {
	if !r.Valid() {
		return nil, fmt.Errorf("child: no such restart: %d", uint8(r))
	}
	return []byte(r.String()), nil
}

// UnmarshalText accepts a name that String returns.
func (r *Restart) UnmarshalText(text []byte) error {
	for i, name := range restartNames {
		if name == string(text) {
			*r = Restart(i)
			return nil
		}
	}
	return fmt.Errorf("child: no such restart: %q", text)
}

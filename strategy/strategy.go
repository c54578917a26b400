// Package strategy has the settings by which a supervisor decides: which children
// a failure takes along, when to give up, and when to end because the work is done.
package strategy

import "github.com/coppice-go/coppice/internal/enum"

// A Strategy says which siblings are restarted with a child that failed, and
// whether children start and stop in order. The zero value is OneForOne.
type Strategy uint8

const (
	// OneForOne restarts the failed child alone. Children start one after
	// another in declared order, each when the one before it is ready, and stop
	// in reverse order, each when the one behind it is gone. For children that
	// do not depend on each other's state.
	//
	// For many children that come and go at run time use Independent: there a
	// slow start or stop holds up nobody else.
	OneForOne Strategy = iota

	// OneForAll restarts all children when one fails: they are stopped in
	// reverse order, then started in order. For children that cannot do without
	// each other.
	OneForAll

	// RestForOne restarts the failed child and those declared after it. For
	// children that cannot go on without the ones before them. It takes down the API
	// with the database: where the API can wait, use OneForOne, hand it the connection
	// in a child.Ref, and have it call ctx.Unready meanwhile.
	RestForOne

	// Independent restarts the failed child alone, and starts and stops
	// children side by side. For many dynamic children: one that was stopped, or
	// has ended and is not restarted, is forgotten. Declare children that end by
	// themselves as Temporary or Transient: a Permanent one, the default, is
	// restarted when it returns nil too. OTP's simple_one_for_one, Elixir's
	// DynamicSupervisor.
	Independent
)

var strategies = enum.Of[Strategy]("strategy", "strategy: no such strategy",
	"one-for-one", "one-for-all", "rest-for-one", "independent")

// String returns the name, as "one-for-one".
func (s Strategy) String() string { return strategies.String(s) }

// MarshalText returns the name.
func (s Strategy) MarshalText() ([]byte, error) { return strategies.MarshalText(s) }

// UnmarshalText accepts a name that String returns.
func (s *Strategy) UnmarshalText(text []byte) error { return strategies.UnmarshalText(s, text) }

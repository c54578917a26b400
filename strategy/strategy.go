// Package strategy defines how a supervisor reacts to its children: which siblings it
// restarts with a child that failed (Strategy), after how many restarts it gives up
// (Intensity), and whether it ends when its children have finished their work
// (AutoShutdown).
package strategy

import "github.com/coppice-go/coppice/internal/enum"

// A Strategy determines which siblings are restarted with a child that failed, and
// whether children start and stop in order. The zero value is OneForOne.
type Strategy uint8

const (
	// OneForOne restarts only the failed child. Children start in declared order: each
	// starts when the one before it is ready. They stop in reverse order: each is stopped
	// when the one after it has exited. Use it for children that do not depend on each
	// other's state.
	//
	// For many dynamic children use Independent, where a slow start or stop does not
	// delay the others.
	OneForOne Strategy = iota

	// OneForAll restarts all children when one fails: it stops them in reverse order,
	// then starts them in order. Use it for children that only work together.
	OneForAll

	// RestForOne restarts the failed child and those declared after it. Use it for
	// children that need the ones before them. It restarts the API whenever the
	// database fails. If the API can wait for the database, use OneForOne, pass the
	// connection in a child.Ref, and let the API call ctx.Unready while there is none.
	RestForOne

	// Independent restarts only the failed child, and starts and stops children
	// concurrently. Use it for many dynamic children. A child that was stopped, or that
	// ended and is not restarted, is removed. Declare children that end by themselves
	// as Temporary or Transient: a Permanent child, the default, is also restarted when
	// it returns nil. It corresponds to OTP's simple_one_for_one and Elixir's
	// DynamicSupervisor.
	Independent

	// Graph restarts the failed child and those that need it, directly or through others:
	// see Needs and After of child.Spec. A child starts when all children that it needs
	// are ready, and concurrently with those that it has nothing to do with. It stops when
	// those that need it have exited. Use it where children depend on each other, but not
	// in one line. Children that need nothing and are not needed are restarted alone.
	//
	// Unlike Independent, Graph keeps a child that was stopped or has ended. Unlike the
	// other strategies, it never starts a child that a caller has stopped, unless a caller
	// starts that child or one that needs it. OTP has no equivalent.
	Graph
)

var strategies = enum.Of[Strategy]("strategy", "strategy: no such strategy",
	"one-for-one", "one-for-all", "rest-for-one", "independent", "graph")

// String returns the name, such as "one-for-one".
func (s Strategy) String() string { return strategies.String(s) }

// MarshalText returns the name.
func (s Strategy) MarshalText() ([]byte, error) { return strategies.MarshalText(s) }

// UnmarshalText accepts a name that String returns.
func (s *Strategy) UnmarshalText(text []byte) error { return strategies.UnmarshalText(s, text) }

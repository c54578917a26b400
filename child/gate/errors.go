package gate

import "errors"

// Reasons for which what a gate guards is stopped, for errors.Is(context.Cause(ctx),
// gate.ErrLost). They are found at every level below, and stand beside child.ErrStopped.
var (
	// ErrLost: the lease has ended, or could end before a stop that begins later. Renew
	// returns it, too.
	ErrLost = errors.New("lease lost")
	// ErrYielded: Yield was called.
	ErrYielded = errors.New("yielded")
	// ErrUnready: what is guarded was not ready for Spec.YieldAfter.
	ErrUnready = errors.New("unready for too long")
	// ErrMoved: the shard moves to another member.
	ErrMoved = errors.New("moved to another member")
)

// ErrStale is returned by the Guard of an engine, and by stores of your own, to a holder of
// the past: the store has seen a higher token.
var ErrStale = errors.New("stale token: another has led since")

// ErrNoLease means that a context does not belong to anything that a gate guards. Pass on
// the context of the run.
var ErrNoLease = errors.New("no lease: the context is not that of a run behind a gate")

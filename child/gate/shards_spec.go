package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/share"
	"github.com/coppice-go/coppice/internal/jitter"
)

// A ShardsSpec declares shards. Name, N, Elector and Run are required. The zero value of
// every other field is its default.
type ShardsSpec struct {
	// Name is the name of the group. The Shards of all processes that share the work have
	// the same name, such as "/shop/feeds". The lease of shard 17 is "/shop/feeds/17".
	Name string

	// N is the number of shards, at most MostShards. They are numbered from zero. All
	// members of a group have the same N: see Layout.
	N int

	// Layout is the version of how keys are spread over shards. Change it when a shard
	// begins to mean something else, such as with another hash function. A process with
	// another N or Layout than the members of the group waits until they have gone.
	Layout int

	// Elector is the engine. It must be a Sharder.
	Elector Elector

	// Run returns the function that runs a shard: the Run of a supervisor, or any function
	// that follows the contract of package child. In the tree it is the child "17" below
	// "shards", which is below the child of the Shards. Run is called for each run, on the
	// goroutine of the run. gate.Token(ctx) is the token of the shard.
	//
	// A shard that ends is restarted by the member that has it, also after nil, with
	// Backoff. Its siblings go on. After three failures in a row the shard moves to another
	// member, as far as MovesPerMinute permits, and this one does not take it for a while.
	// A run of at least a minute does not count with the failures before it. A shard that
	// returns child.ErrDone is not restarted. It stays with this member, and the next one
	// runs it again. child.Escalate stops all shards of this member, and fails the child of
	// the Shards.
	Run func(shard int) func(child.Context) error

	// Backoff is the delay before a shard is restarted by the same member. A policy that
	// gives up is asked no more, and its last delay counts. Nil means
	// child.Exponential(100*time.Millisecond, 30*time.Second).
	Backoff child.Backoff

	// MovesPerMinute is how many running shards are moved per minute at most, by the whole
	// group, and one more by each member. Shards that nobody runs are taken at once. Zero
	// means a quarter of the shards, or 12 if that is more.
	MovesPerMinute int

	// HoldDown is how long the members of the group must have stayed the same before a
	// running shard is moved to balance them, so that a member that comes and goes moves
	// nothing. Zero means the TTL of the elector, or 1 s without one. With child.Forever, no
	// shard is moved for balance.
	HoldDown time.Duration

	// StopWithin, RenewEvery, RequestTimeout and ReleaseWithin are those of Spec. There is
	// one lease for all shards of a member, and StopWithin bounds the stop of each shard,
	// and of all of them together.
	StopWithin, RenewEvery, RequestTimeout, ReleaseWithin time.Duration

	// Late is that of Spec: it is called when the lease of the member ends while something
	// that was started under it has not returned. Nil means Crash.
	Late func(error)
}

// MostShards is the highest number of shards of a group.
const MostShards = 1 << 16

// Terms returns the durations that the lease of a member goes by, with all defaults filled
// in.
func (s ShardsSpec) Terms() Terms { return s.gate(nil, nil).Terms() }

// gate returns the spec of the gate that guards all shards of a member.
func (s ShardsSpec) gate(e Elector, run func(child.Context) error) Spec {
	if e == nil {
		e = s.Elector
	}
	return Spec{
		Name: s.Name, Elector: e, Run: run, StopWithin: s.StopWithin, RenewEvery: s.RenewEvery,
		RequestTimeout: s.RequestTimeout, ReleaseWithin: s.ReleaseWithin, Late: s.Late,
	}
}

// share returns the terms of package share.
func (s *ShardsSpec) share(t Terms) share.Terms {
	terms := share.Terms{HoldDown: s.HoldDown, Moves: s.MovesPerMinute, Retry: t.RenewEvery / 4, Patience: time.Second}
	if t.TTL > 0 {
		terms.Settle, terms.Patience = t.RenewEvery, max(t.TTL/3, 1)
	}
	if terms.HoldDown == 0 {
		if terms.HoldDown = t.TTL; t.TTL == 0 {
			terms.HoldDown = time.Second
		}
	}
	if terms.Moves == 0 {
		terms.Moves = max(s.N/4, leastMoves)
	}
	return terms
}

const leastMoves = 12

func (s *ShardsSpec) backoff() child.Backoff {
	of := s.Backoff
	if of == nil {
		of = child.Exponential(100*time.Millisecond, 30*time.Second)
	}
	return func() child.BackoffPolicy { return &tireless{make: of} }
}

// Validate returns all problems of the spec, as *child.SpecError values joined by
// errors.Join, or nil. Their Path is Name. NewShards does not return them; Run does, before
// it does anything.
func (s ShardsSpec) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &child.SpecError{Path: s.Name, Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	switch {
	case s.N <= 0:
		fault("N", "must be positive: %d", s.N)
	case s.N > MostShards:
		fault("N", "more than %d: %d", MostShards, s.N)
	case len(s.Name) > mostName-len("/65535"):
		fault("Name", "longer than %d bytes, which leaves no room for the number of a shard", mostName-len("/65535"))
	}
	if s.Layout < 0 || s.Layout > math.MaxInt32 {
		fault("Layout", "must be between 0 and %d: %d", math.MaxInt32, s.Layout)
	}
	if s.MovesPerMinute < 0 {
		fault("MovesPerMinute", "negative: %d", s.MovesPerMinute)
	}
	if s.HoldDown < 0 {
		fault("HoldDown", "negative: %v", s.HoldDown)
	}
	if _, ok := s.Elector.(Sharder); s.Elector != nil && !ok {
		fault("Elector", "%T is no gate.Sharder, so it cannot hold shards; use Alone, sqlgate or etcdgate", s.Elector)
	}
	run := func(child.Context) error { return nil }
	if s.Run == nil {
		run = nil
	}
	return errors.Join(append(faults, s.gate(nil, run).Validate())...)
}

// A membershipElector is the Elector of the gate that guards all shards of a member: its
// lease is a membership.
type membershipElector struct{ *Shards }

func (e membershipElector) TTL() time.Duration { return e.spec.Elector.TTL() }

func (e membershipElector) Acquire(ctx context.Context, group string) (Lease, error) {
	watched := context.WithValue(ctx, seenLayoutKey{}, func(l Layout) {
		e.waitsFor(l)
		Seen(ctx, Holder{}) // the engine has answered
	})
	m, err := e.sharder.Join(watched, group, e.layout())
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("the engine returned no membership and no error")
	}
	return m, nil
}

// Holder reports nobody: each member has a lease of its own.
func (e membershipElector) Holder(context.Context, string) (Holder, error) { return Holder{}, nil }

// A tireless backoff does not give up, because then its supervisor would, and stop the
// other shards.
type tireless struct {
	make child.Backoff
	of   child.BackoffPolicy // nil: it is not made yet
	last time.Duration
}

// afterGivingUp is the delay of a policy that gives up before it had any.
const afterGivingUp = time.Second

// NextBackOff returns the delay of the policy. If that gives up or panics, it returns the
// last one.
func (t *tireless) NextBackOff() (delay time.Duration) {
	defer func() {
		if recover() != nil {
			delay = -1
		}
		if delay >= 0 {
			t.last = delay
			return
		}
		if delay = t.last; delay == 0 {
			delay = afterGivingUp
		}
	}()
	if t.policy() == nil {
		return 0
	}
	return t.of.NextBackOff()
}

func (t *tireless) policy() child.BackoffPolicy {
	if t.of == nil {
		t.of = t.make()
	}
	return t.of
}

func (t *tireless) Reset() {
	if t.of != nil {
		t.of.Reset()
	}
}

// RemoveJitter removes that of the policy.
func (t *tireless) RemoveJitter() { jitter.Remove(t.policy()) }

package gatetest

import (
	"context"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// A Subject is an engine under test, with what its test can do to it. Member and TTL are
// required. A check that needs a field that is nil is skipped.
type Subject struct {
	// TTL is the term that members ask for. Checks wait for several terms, so outside of a
	// bubble it should be as short as the engine permits.
	TTL time.Duration

	// Member makes an elector with a connection of its own, as another process would.
	Member func(id string) gate.Elector

	// HandOver is the longest time from the return of Release until another member has the
	// lease that it waits for. Zero means a quarter of the TTL.
	HandOver time.Duration

	// HandOvers is how many times the checks hand over. Zero means 2000.
	HandOvers int

	// Storm is how many things happen to the members in the check of whole gates, one about
	// every half of a TTL. Zero means 200.
	Storm int

	// Cut cuts a member off from the engine, or connects it again.
	Cut func(member gate.Elector, cut bool)

	// LoseReply lets the engine carry out the next change that a member requests, without
	// an answer.
	LoseReply func(member gate.Elector)

	// Slow lets each reply to a member take this long. Zero ends that.
	Slow func(member gate.Elector, latency time.Duration)

	// Away stops the engine, or starts it again. It must not forget what it had confirmed.
	Away func(away bool)

	// Delete removes the row or key of a lease, as an operator may do by hand.
	Delete func(name string)

	// Grant lets the engine grant another term than the one asked for. Zero ends that.
	Grant func(ttl time.Duration)

	// StepMember sets the wall clock of a member, and StepEngine that of the engine.
	StepMember func(member gate.Elector, by time.Duration)
	StepEngine func(by time.Duration)
}

// A Check is one part of the conformance suite. Its name says what must hold.
type Check struct {
	Name  string
	Needs string // the field of Subject without which it is skipped; empty: none

	run  func(t testing.TB, s *Subject)
	able func(s *Subject) bool
}

// Run runs the check, and fails t if the subject does not conform.
func (c Check) Run(t testing.TB, s Subject) {
	t.Helper()
	if s.TTL <= 0 || s.Member == nil {
		t.Fatalf("gatetest: Subject needs a TTL and Member")
		return
	}
	if c.able != nil && !c.able(&s) {
		t.Skipf("gatetest: this needs Subject.%s", c.Needs)
		return
	}
	if s.HandOver == 0 {
		s.HandOver = s.TTL / 4
	}
	if s.HandOvers == 0 {
		s.HandOvers = 2000
	}
	if s.Storm == 0 {
		s.Storm = 200
	}
	c.run(t, &s)
}

// Checks returns all checks, for tests that run them in a way of their own, such as in
// bubbles.
func Checks() []Check { return append([]Check(nil), checks...) }

// Conform checks an engine: it runs all checks as subtests, each with a new subject. The
// engine may be the same; each check uses names of its own.
func Conform(t *testing.T, subject func(t *testing.T) Subject) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, subject(t)) })
	}
}

var checks = []Check{
	{Name: "a free lease is given at once", run: freeLease},
	{Name: "a renewed lease stays, with its token", run: staysRenewed},
	{Name: "leases with other names are independent", run: otherNames},
	{Name: "release hands over at once", run: handsOver},
	{Name: "one holder at a time, and tokens grow, over thousands of hand-overs", run: manyHandOvers},
	{Name: "a hundred contenders each get their turn", run: hundredContenders},
	{Name: "a holder that pauses for longer than the term has lost", run: pausedHolder},
	{Name: "a late release harms nobody", run: lateRelease},
	{Name: "a lease that was released cannot be renewed", run: renewReleased},
	{Name: "tokens grow after a time without a holder", run: growsAfterIdle},
	{Name: "an Acquire that is cancelled leaves nothing", run: cancelledAcquire},
	{Name: "Holder says who holds the lease", run: saysHolder},
	{Name: "a renewal of a holder that is cut off does not succeed", Needs: "Cut", run: cutHolder, able: func(s *Subject) bool { return s.Cut != nil }},
	{Name: "a standby that is cut off wins nothing and disturbs nobody", Needs: "Cut", run: cutStandby, able: func(s *Subject) bool { return s.Cut != nil }},
	{Name: "a request returns soon after its context has ended", Needs: "Cut", run: returnsSoon, able: func(s *Subject) bool { return s.Cut != nil }},
	{Name: "an Acquire whose request is not answered returns an error", Needs: "Cut", run: givesUp, able: func(s *Subject) bool { return s.Cut != nil }},
	{Name: "an engine that is away gives nothing, and one lease when it is back", Needs: "Away", run: engineAway, able: func(s *Subject) bool { return s.Away != nil }},
	{Name: "an Acquire whose answer was lost leaves nothing", Needs: "LoseReply", run: lostAcquire, able: func(s *Subject) bool { return s.LoseReply != nil }},
	{Name: "a renewal whose answer was lost can be repeated", Needs: "LoseReply", run: lostRenewal, able: func(s *Subject) bool { return s.LoseReply != nil }},
	{Name: "a release whose answer was lost has released", Needs: "LoseReply", run: lostRelease, able: func(s *Subject) bool { return s.LoseReply != nil }},
	{Name: "a term counts from when its request was sent", Needs: "Slow", run: countsFromSent, able: func(s *Subject) bool { return s.Slow != nil }},
	{Name: "a deleted lease is lost, and tokens grow nevertheless", Needs: "Delete", run: deletedLease, able: func(s *Subject) bool { return s.Delete != nil }},
	{Name: "the term is the one that was granted", Needs: "Grant", run: grantedTerm, able: func(s *Subject) bool { return s.Grant != nil }},
	{Name: "clocks of members that differ and step change nothing", Needs: "StepMember", run: memberClocks, able: func(s *Subject) bool { return s.StepMember != nil }},
	{Name: "the clock of the engine may step, and tokens grow", Needs: "StepEngine", run: engineClock, able: func(s *Subject) bool { return s.StepEngine != nil }},
	{Name: "a shard has one member", run: shardHasOne},
	{Name: "members that join at the same time all stay", run: joinAtOnce},
	{Name: "hundreds of shards can be claimed and ceded at once", run: manyShards},
	{Name: "a shard that is ceded goes to another at once, with a higher token", run: shardIsCeded},
	{Name: "a member that leaves frees all its shards", run: leavingFreesAll},
	{Name: "Watch shows each change, and nothing else", run: watchShows},
	{Name: "a member that pauses for longer than the term has lost all shards", run: memberPauses},
	{Name: "members with another layout wait until the last one has gone", run: otherLayoutsWait},
	{Name: "a claim whose answer was lost can be ceded", Needs: "LoseReply", run: lostClaim, able: func(s *Subject) bool { return s.LoseReply != nil }},
	{Name: "requests about shards return soon after their context has ended", Needs: "Cut", run: shardRequestsReturn, able: func(s *Subject) bool { return s.Cut != nil }},
	{Name: "a Join or Watch whose request is not answered returns an error", Needs: "Cut", run: joinGivesUp, able: func(s *Subject) bool { return s.Cut != nil }},
	{Name: "the term of a member counts from when its request was sent", Needs: "Slow", run: joinCountsFromSent, able: func(s *Subject) bool { return s.Slow != nil }},
	{Name: "a Join whose answer was lost leaves nothing", Needs: "LoseReply", run: lostJoin, able: func(s *Subject) bool { return s.LoseReply != nil }},
	{Name: "contenders for shards never have the same one", run: contendersForShards},
	{Name: shardStormName, Needs: "Cut", run: shardsInAStorm, able: func(s *Subject) bool { return s.Cut != nil }},
	{Name: stormName, Needs: "Cut", run: gatesInAStorm, able: func(s *Subject) bool { return s.Cut != nil }},
}

const shardStormName = "each shard runs once at a time, whatever happens to the members"

const stormName = "gates guard one run at a time, whatever happens to their members"

// A bid is an Acquire under way.
type bid struct {
	won chan gate.Lease // receives the lease, or is closed
	err error           // set before won is closed
}

// startBid starts an Acquire. It is cancelled when the test ends.
func startBid(t testing.TB, e gate.Elector, name string) *bid {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	b := &bid{won: make(chan gate.Lease, 1)}
	returned := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-returned
	})
	go func() {
		defer close(returned)
		defer close(b.won)
		l, err := e.Acquire(ctx, name)
		if b.err = err; err == nil {
			b.won <- l
		}
	}()
	return b
}

// within returns the lease, if the bid wins it in that time. A bid that has won or failed
// returns its lease once.
func (b *bid) within(d time.Duration) gate.Lease { return receive(b.won, d) }

// receive receives a value in that time, or returns the zero value.
func receive[T any](c <-chan T, within time.Duration) (v T) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case v = <-c:
		return v
	case <-timer.C:
	}
	select { // both may be ready
	case v = <-c:
	default:
	}
	return v
}

// acquire returns the lease, which must be won in that time.
func acquire(t testing.TB, e gate.Elector, name string, within time.Duration) gate.Lease {
	t.Helper()
	b := startBid(t, e, name)
	return b.must(t, within)
}

func (b *bid) must(t testing.TB, within time.Duration) gate.Lease {
	t.Helper()
	l := b.within(within)
	if l == nil {
		t.Fatalf("the lease was not won within %v (error: %v)", within, b.failure())
	}
	return l
}

// failure returns the error of a bid that has failed, or nil.
func (b *bid) failure() error {
	select {
	case <-b.won:
		return b.err
	default:
		return nil
	}
}

// brief returns a context for a request that should be answered.
func (s *Subject) brief(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL)
	t.Cleanup(cancel)
	return ctx
}

func (s *Subject) renew(t testing.TB, l gate.Lease) {
	t.Helper()
	if err := l.Renew(s.brief(t)); err != nil {
		t.Fatalf("a renewal failed: %v", err)
	}
}

func (s *Subject) release(t testing.TB, l gate.Lease) {
	t.Helper()
	if err := l.Release(s.brief(t)); err != nil {
		t.Fatalf("a release failed: %v", err)
	}
}

// keep renews a lease for a time.
func (s *Subject) keep(t testing.TB, l gate.Lease, during time.Duration) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); {
		s.renew(t, l)
		sleep(context.Background(), min(s.TTL/6, time.Until(end)))
	}
}

// grown fails the test unless the token of a lease is higher than that of the one before.
func grown(t testing.TB, before, after gate.Lease) {
	t.Helper()
	if after.Token() <= before.Token() {
		t.Fatalf("token %d follows token %d: it must be higher", after.Token(), before.Token())
	}
}

package share

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var testTerms = Terms{Settle: 2 * time.Second, HoldDown: 15 * time.Second, Patience: 5 * time.Second, Retry: time.Second, Moves: 60}

// text writes actions in one line.
func text(actions []Action) string {
	var all []string
	for _, a := range actions {
		switch a.Kind {
		case Look:
			all = append(all, fmt.Sprint("look ", a.After))
		case CancelLook:
			all = append(all, "cancel")
		case ToClaim:
			all = append(all, fmt.Sprint("claim ", a.Shards))
		case ToCede:
			all = append(all, "cede")
			for _, c := range a.Claims {
				all = append(all, fmt.Sprintf("%d@%d", c.Shard, c.Token))
			}
		case ToLeave:
			all = append(all, "leave")
		case Start:
			all = append(all, fmt.Sprint("start ", a.Shard))
		case Stop:
			all = append(all, fmt.Sprint("stop ", a.Shard, []string{" moves", " lost"}[a.Why]))
		}
	}
	return strings.Join(all, " ")
}

// viewOf returns a view. Each owner is a member and a token, such as "b3", or "".
func viewOf(revision int64, members string, owners ...string) View {
	v := View{Revision: revision}
	for m := range strings.FieldsSeq(members) {
		id, leaves := strings.CutSuffix(m, "-")
		v.Members = append(v.Members, Member{ID: id, Name: id, Leaving: leaves})
	}
	for i, o := range owners {
		if o != "" {
			var token int64
			_, _ = fmt.Sscan(o[1:], &token)
			v.Claims = append(v.Claims, Claim{i, o[:1], token})
		}
	}
	return v
}

// A script is a machine with its clock.
type script struct {
	t   *testing.T
	m   *Machine
	now time.Duration
}

func start(t *testing.T, shards int) *script {
	s := &script{t: t, m: New(testTerms, shards, "a", 0)}
	s.is("look 0", s.m.Tick(0))
	return s
}

func (s *script) is(want string, actions []Action) {
	s.t.Helper()
	require.Equal(s.t, want, text(actions))
}

func (s *script) wait(d time.Duration) { s.now += d }

func (s *script) tick(want string) { s.t.Helper(); s.is(want, s.m.Tick(s.now)) }

// has starts a machine that runs all shards, and is the only member.
func has(t *testing.T, shards int) *script {
	s := start(t, shards)
	s.is("look 1", s.m.Viewed(viewOf(1, "a", make([]string, shards)...), 0))
	s.wait(testTerms.Settle)
	s.tick("cancel")
	var got []Claim
	var all, starts, owners []string
	for i := range shards {
		got = append(got, Claim{i, "a", 2})
		all, starts, owners = append(all, fmt.Sprint(i)), append(starts, fmt.Sprint("start ", i)), append(owners, "a2")
	}
	s.is("claim ["+strings.Join(all, " ")+"]", s.m.ViewFailed(s.now))
	s.is(strings.Join(starts, " ")+" look 0", s.m.Claimed(got, s.now))
	s.is("look 2", s.m.Viewed(viewOf(2, "a", owners...), s.now))
	return s
}

func TestAMemberClaimsAfterATimeForOthersToJoin(t *testing.T) {
	s := has(t, 3)
	require.Equal(t, []int{0, 1, 2}, s.m.Held())
	require.Equal(t, 3, s.m.Running())
	require.Equal(t, 1, s.m.Members())
}

func TestWhatAnotherHasIsNotStarted(t *testing.T) {
	s := start(t, 2)
	s.is("look 1", s.m.Viewed(viewOf(1, "a", "", ""), 0))
	s.wait(testTerms.Settle)
	s.tick("cancel")
	s.is("claim [0 1]", s.m.ViewFailed(s.now))
	s.is("start 1 look 0", s.m.Claimed([]Claim{{1, "a", 3}}, s.now))
}

func TestAClaimThatGotNothingIsNotRepeatedAtOnce(t *testing.T) {
	s := start(t, 1)
	s.is("look 1", s.m.Viewed(viewOf(1, "a", ""), 0))
	s.wait(testTerms.Settle)
	s.tick("cancel")
	s.is("claim [0]", s.m.ViewFailed(s.now))
	s.is("look 0", s.m.Claimed(nil, s.now))
	s.is("look 1", s.m.Viewed(viewOf(1, "a", ""), s.now))
	at, ok := s.m.Next()
	require.True(t, ok)
	require.Equal(t, s.now+testTerms.Retry, at)
}

// A claim whose answer was lost shows in the view. It never runs: it is ceded, and claimed
// again.
func TestAClaimOfWhichTheMemberDoesNotKnowIsCeded(t *testing.T) {
	s := start(t, 1)
	s.is("look 1", s.m.Viewed(viewOf(1, "a", ""), 0))
	s.wait(testTerms.Settle)
	s.tick("cancel")
	s.is("claim [0]", s.m.ViewFailed(s.now))
	s.is("", s.m.RequestFailed(s.now))
	s.wait(testTerms.Retry)
	s.tick("look 0")
	s.is("cede 0@7", s.m.Viewed(viewOf(7, "a", "a7"), s.now))
	s.is("look 0", s.m.Ceded(s.now))
	s.is("claim [0]", s.m.Viewed(viewOf(8, "a", ""), s.now))
	s.is("start 0 look 0", s.m.Claimed([]Claim{{0, "a", 9}}, s.now))
}

// The engine may carry out a request much later. So a shard that was to be ceded does not
// run again before it was ceded, even if it should.
func TestAShardThatWasToBeCededDoesNotRunUnderTheSameClaim(t *testing.T) {
	s := has(t, 2)
	s.is("look 3", s.m.Viewed(viewOf(3, "a b", "a2", "a2"), s.now))
	s.wait(testTerms.HoldDown)
	moves := text(s.m.Tick(s.now))
	var i int
	_, err := fmt.Sscanf(moves, "stop %d moves", &i)
	require.NoError(t, err, moves)
	s.is("cancel", s.m.Stopped(i, s.now))
	s.is(fmt.Sprintf("cede %d@2", i), s.m.ViewFailed(s.now))
	s.is("", s.m.RequestFailed(s.now)) // its answer was lost
	s.wait(testTerms.Retry)
	s.tick(fmt.Sprintf("cede %d@2", i))
	s.is("", s.m.RequestFailed(s.now))
	s.wait(testTerms.Retry)
	s.tick(fmt.Sprintf("cede %d@2", i)) // also now that b has gone, and a should have it
	s.is("look 0", s.m.Ceded(s.now))
	s.is(fmt.Sprintf("claim [%d]", i), s.m.Viewed(viewOf(5, "a", map[int][]string{0: {"", "a2"}, 1: {"a2", ""}}[i]...), s.now))
}

func TestAShardThatTheEngineHasTakenStops(t *testing.T) {
	s := has(t, 2)
	s.is("stop 1 lost look 4", s.m.Viewed(viewOf(4, "a", "a2", "b4"), s.now))
	s.is("cancel", s.m.Stopped(1, s.now))
	s.is("cede 1@2", s.m.ViewFailed(s.now)) // harmless: the token is another by now
}

func TestNothingMovesBeforeTheMembersHaveSettled(t *testing.T) {
	s := has(t, 2)
	s.is("look 3", s.m.Viewed(viewOf(3, "a b", "a2", "a2"), s.now))
	s.wait(testTerms.HoldDown - 1)
	s.is("look 4", s.m.Viewed(viewOf(4, "a", "a2", "a2"), s.now)) // b has gone
	s.is("look 5", s.m.Viewed(viewOf(5, "a b", "a2", "a2"), s.now))
	s.wait(testTerms.HoldDown - 1)
	s.tick("")
	at, ok := s.m.Next()
	require.True(t, ok)
	require.Equal(t, s.now+1, at)
	s.wait(1)
	require.Contains(t, text(s.m.Tick(s.now)), "moves")
	require.Equal(t, 1, s.m.Moved())
}

// The highest duration is a way to say never.
func TestAHoldDownWithoutEndMovesNothing(t *testing.T) {
	terms := testTerms
	terms.HoldDown = math.MaxInt64
	s := &script{t: t, m: New(terms, 2, "a", 0)}
	s.wait(time.Hour)
	s.is("look 0", s.m.Tick(s.now))
	s.is("claim [0 1]", s.m.Viewed(viewOf(1, "a", "", ""), s.now))
	s.is("start 0 start 1 look 0", s.m.Claimed([]Claim{{0, "a", 2}, {1, "a", 2}}, s.now))
	s.is("look 3", s.m.Viewed(viewOf(3, "a b", "a2", "a2"), s.now))
	s.wait(time.Hour)
	s.tick("")
	at, ok := s.m.Next()
	require.True(t, !ok || at > s.now+time.Hour, "it is asked again at %v", at)
}

func TestNothingMovesToAMemberThatLeaves(t *testing.T) {
	s := has(t, 2)
	s.is("look 3", s.m.Viewed(viewOf(3, "a b-", "a2", "a2"), s.now))
	s.wait(time.Hour)
	s.tick("")
	_, ok := s.m.Next()
	require.False(t, ok)
}

// A shard is claimed by the member that should have it. If that does not, another does.
func TestAShardThatIsFreeForLongIsClaimedByAnybody(t *testing.T) {
	s := has(t, 2)
	s.is("stop 1 lost look 3", s.m.Viewed(viewOf(3, "a b", "a2", "b3"), s.now))
	s.is("cancel", s.m.Stopped(1, s.now))
	s.is("cede 1@2", s.m.ViewFailed(s.now))
	s.is("look 0", s.m.Ceded(s.now))
	s.is("look 4", s.m.Viewed(viewOf(4, "a b", "a2", ""), s.now))
	s.wait(testTerms.Patience - 1)
	s.tick("")
	at, ok := s.m.Next()
	require.True(t, ok)
	require.Equal(t, s.now+1, at)
	s.wait(1)
	s.tick("cancel")
	s.is("claim [1]", s.m.ViewFailed(s.now))
}

func TestAShardThatKeepsFailingMoves(t *testing.T) {
	s := has(t, 4)
	for range 5 { // alone, it stays
		s.is("", s.m.Failed(0, false, s.now))
	}
	s.is("stop 0 moves look 3", s.m.Viewed(viewOf(3, "a b", "a2", "a2", "a2", "a2"), s.now))
	s.is("cancel", s.m.Stopped(0, s.now))
	s.is("cede 0@2", s.m.ViewFailed(s.now))
	s.is("look 0", s.m.Ceded(s.now))
	s.is("look 4", s.m.Viewed(viewOf(4, "a", "", "a2", "a2", "a2"), s.now)) // b has gone meanwhile
	at, ok := s.m.Next()
	require.True(t, ok)
	require.Equal(t, s.now+testTerms.failRest(1), at, "it rests here")
}

func TestARunThatWasWellStartsToCountAgain(t *testing.T) {
	s := has(t, 2)
	s.is("look 3", s.m.Viewed(viewOf(3, "a b", "a2", "a2"), s.now))
	s.is("", s.m.Failed(0, false, s.now))
	s.is("", s.m.Failed(0, false, s.now))
	s.is("", s.m.Failed(0, true, s.now))
	s.is("", s.m.Failed(0, false, s.now))
	s.is("stop 0 moves", s.m.Failed(0, false, s.now))
}

func TestAMemberThatDrainsHandsOverAll(t *testing.T) {
	s := has(t, 2)
	s.is("stop 0 moves stop 1 moves cancel", s.m.Drain(s.now))
	s.is("leave", s.m.ViewFailed(s.now))
	s.is("", s.m.Stopped(1, s.now))
	s.is("cede 1@2", s.m.Left(s.now))
	s.is("", s.m.Stopped(0, s.now))
	s.is("cede 0@2", s.m.Ceded(s.now))
	s.is("look 0", s.m.Ceded(s.now))
	s.is("look 9", s.m.Viewed(viewOf(9, "a-", "", ""), s.now))
	s.wait(time.Hour)
	s.tick("")
}

// What stops in its turn is not stopped before.
func TestAMemberThatIsAboutToStopTakesNothing(t *testing.T) {
	s := has(t, 2)
	s.is("cancel", s.m.Closing(s.now))
	s.is("leave", s.m.ViewFailed(s.now))
	s.is("look 0", s.m.Left(s.now))
	require.Equal(t, []int{0, 1}, s.m.Held())
	s.is("cancel", s.m.Stopped(0, s.now))
	s.is("cede 0@2", s.m.ViewFailed(s.now))
}

func TestAClaimThatIsAnsweredAfterTheDrainIsCeded(t *testing.T) {
	s := start(t, 1)
	s.is("look 1", s.m.Viewed(viewOf(1, "a", ""), 0))
	s.wait(testTerms.Settle)
	s.tick("cancel")
	s.is("claim [0]", s.m.ViewFailed(s.now))
	s.is("", s.m.Drain(s.now))
	s.is("cede 0@2", s.m.Claimed([]Claim{{0, "a", 2}}, s.now))
	s.is("leave", s.m.Ceded(s.now))
	s.is("look 0", s.m.Left(s.now))
}

func TestAnEngineThatDoesNotAnswerIsAskedAgainLater(t *testing.T) {
	s := start(t, 1)
	s.is("", s.m.ViewFailed(s.now))
	at, ok := s.m.Next()
	require.True(t, ok)
	require.Equal(t, s.now+testTerms.Retry, at)
	s.wait(testTerms.Retry)
	s.tick("look 0")
}

// A shard that could not be started is left to others for a while.
func TestAShardThatCouldNotBeStartedIsCeded(t *testing.T) {
	s := has(t, 1)
	s.is("cancel", s.m.Stopped(0, s.now))
	s.is("cede 0@2", s.m.ViewFailed(s.now))
	s.is("look 0", s.m.Ceded(s.now))
	s.is("look 4", s.m.Viewed(viewOf(4, "a", ""), s.now))
	at, ok := s.m.Next()
	require.True(t, ok)
	require.Equal(t, s.now+testTerms.failRest(1), at)
	s.wait(testTerms.failRest(1))
	s.tick("cancel")
	s.is("claim [0]", s.m.ViewFailed(s.now))
}

func TestTheRestAfterFailuresDoublesUpToAMinute(t *testing.T) {
	var all []time.Duration
	for n := range 5 {
		all = append(all, testTerms.failRest(n+1))
	}
	require.Equal(t, []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, time.Minute, time.Minute}, all)
	long := Terms{Patience: time.Minute}
	require.Equal(t, 3*time.Minute, long.failRest(1), "others have time to claim it")
}

// One that keeps failing, but may not move yet, does not hold up what moves for balance.
func TestWhatMayNotMoveYetHoldsUpNothing(t *testing.T) {
	s := has(t, 40)
	var mine []string
	for range 40 {
		mine = append(mine, "a2")
	}
	var others string
	for i := range 30 {
		others += fmt.Sprintf(" m%d", i)
	}
	s.is("look 3", s.m.Viewed(viewOf(3, "a"+others, mine...), s.now))
	s.wait(testTerms.HoldDown)
	require.Contains(t, text(s.m.Tick(s.now)), "moves")
	for range failsToMove {
		s.m.Failed(39, false, s.now)
		s.m.Failed(38, false, s.now)
	}
	for moves := s.m.Moved(); s.m.Moved() < moves+5; {
		at, ok := s.m.Next()
		require.True(t, ok)
		require.Greater(t, at, s.now, "it would spin")
		s.now = at
		s.m.Tick(s.now)
	}
}

// In any minute, a member moves its part of the moves, rounded up.
func TestMovesArePaced(t *testing.T) {
	for _, moves := range []int{1, 12, 60, 1024, 1 << 16} {
		terms := Terms{Moves: moves}
		for _, givers := range []int{1, 5, 200} {
			interval, p, now := terms.interval(givers), pace{}, time.Hour
			n := 0
			for now < time.Hour+time.Minute {
				if at := p.next(interval); at > now {
					now = at
					continue
				}
				p.take(now, interval)
				n++
			}
			require.LessOrEqual(t, n, moves/givers+1, "%d moves, %d givers", moves, givers)
		}
	}
}

func TestMovesWithoutALimitAreAllAtOnce(t *testing.T) {
	terms, p, now := Terms{Moves: math.MaxInt}, pace{}, time.Hour
	interval := terms.interval(1)
	for range 100_000 {
		require.LessOrEqual(t, p.next(interval), now)
		p.take(now, interval)
	}
}

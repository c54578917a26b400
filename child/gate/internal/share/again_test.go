package share

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cedes lets the machine cede shard 0 of two, which has stopped with token, and see that it is
// free, with the given members.
func (s *script) cedes(token string, revision int64, members string) {
	s.t.Helper()
	s.is("cede 0@"+token, s.m.ViewFailed(s.now))
	s.is("look 0", s.m.Ceded(s.now))
	require.Contains(s.t, text(s.m.Viewed(viewOf(revision, members, "", "a2"), s.now)), "look")
}

// claimsAgain lets the machine claim shard 0 when it may.
func (s *script) claimsAgain(revision int64, token int64, members, owner string) {
	s.t.Helper()
	at, ok := s.m.Next()
	require.True(s.t, ok)
	s.now = at
	s.tick("cancel")
	s.is("claim [0]", s.m.ViewFailed(s.now))
	s.is("start 0 look 0", s.m.Claimed([]Claim{{0, "a", token}}, s.now))
	require.Contains(s.t, text(s.m.Viewed(viewOf(revision, members, owner, "a2"), s.now)), "look")
}

func TestAMemberForgetsAfterAWhileThatAShardHasFailed(t *testing.T) {
	s := has(t, 2)
	rests := func() time.Duration {
		at, ok := s.m.Next()
		require.True(t, ok)
		return at - s.now
	}
	s.is("cancel", s.m.Stopped(0, s.now)) // it could not be started
	s.cedes("2", 4, "a")
	require.Equal(t, testTerms.failRest(1), rests())
	s.claimsAgain(5, 5, "a", "a5")
	s.is("cancel", s.m.Stopped(0, s.now))
	s.cedes("5", 6, "a")
	require.Equal(t, testTerms.failRest(2), rests())
	s.claimsAgain(7, 7, "a", "a7")
	s.wait(forgetsFails + 1)
	s.is("cancel", s.m.Stopped(0, s.now))
	s.cedes("7", 8, "a")
	require.Equal(t, testTerms.failRest(1), rests())
}

func TestFailuresCountUnderOneClaim(t *testing.T) {
	s := has(t, 2)
	for range failsToMove {
		s.is("", s.m.Failed(0, false, s.now))
	}
	s.is("stop 0 moves look 3", s.m.Viewed(viewOf(3, "a b", "a2", "a2"), s.now))
	s.is("cancel", s.m.Stopped(0, s.now))
	s.cedes("2", 4, "a") // b has gone
	s.claimsAgain(5, 5, "a", "a5")
	s.is("look 6", s.m.Viewed(viewOf(6, "a b", "a5", "a2"), s.now)) // b is there again, and it stays
}

// A request whose answer was lost was carried out later.
func TestWhatIsCededIsTheClaimThatTheEngineHas(t *testing.T) {
	s := has(t, 2)
	s.is("stop 0 lost look 3", s.m.Viewed(viewOf(3, "a", "a7", "a2"), s.now))
	s.is("cancel", s.m.Stopped(0, s.now))
	s.is("cede 0@7", s.m.Viewed(viewOf(4, "a", "a7", "a2"), s.now))
}

func TestAGroupHasNoShardsBeyondItsLayout(t *testing.T) {
	g := NewGroup(1)
	require.True(t, g.Join(Member{ID: "a"}, Layout{Shards: 2}, time.Time{}))
	before := g.Revision()
	got, there := g.Claim("a", []int{-1, 2})
	require.True(t, there)
	require.Empty(t, got)
	require.Equal(t, before, g.Revision())
}

func TestALeaverThatSaysSoAgainChangesNothing(t *testing.T) {
	g := NewGroup(1)
	require.True(t, g.Join(Member{ID: "a"}, Layout{Shards: 2}, time.Time{}))
	require.True(t, g.Leave("a"))
	before := g.Revision()
	require.True(t, g.Leave("a"))
	require.Equal(t, before, g.Revision())
}

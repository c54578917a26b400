package core

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const second = time.Second

// leader returns a machine that leads since zero, without jitter, and whose renewal at two
// seconds is not answered.
func leader(t *testing.T) *Machine {
	m := New(worldTerms, Rest{})
	require.Equal(t, []Action{Bid}, m.Tick(0))
	require.Equal(t, []Action{Lead}, m.Won(0, worldTerms.TTL, 0))
	require.Equal(t, []Action{Renew}, m.Tick(2*second))
	return m
}

// stopBy is when the stop begins: the usable term less the margin.
const stopBy = 11880*time.Millisecond - 5*second

// A lease that was in danger is not given back: its engine does not answer.
func TestALeaseInDangerIsNotReleased(t *testing.T) {
	m := leader(t)
	require.Empty(t, m.Tick(stopBy-1))
	require.Equal(t, []Action{Stop}, m.Tick(stopBy))
	require.Equal(t, InDanger, m.Why())
	require.Empty(t, m.RenewFailed(7*second))
	require.Equal(t, []Action{Bid}, m.Ended(false, 7*second))
}

// If a renewal is answered during the stop, the lease is not in danger any more.
func TestALeaseThatIsRenewedDuringTheStopIsReleased(t *testing.T) {
	m := leader(t)
	require.Equal(t, []Action{Stop}, m.Tick(stopBy))
	require.Equal(t, []Action{Renew}, m.Renewed(2*second, worldTerms.TTL, 7*second))
	require.Empty(t, m.RenewFailed(7*second))
	require.Equal(t, []Action{Release}, m.Ended(false, 7*second))
}

// What arrives late about a lease that is lost does not prolong it: what still runs is late
// when the lease ends.
func TestALateAnswerDoesNotProlongALostLease(t *testing.T) {
	m := leader(t)
	before, _ := m.LeaseEnd()
	require.Equal(t, []Action{Stop}, m.Lost(false, 3*second))
	require.Empty(t, m.Renewed(2*second, worldTerms.TTL, 4*second))
	after, _ := m.LeaseEnd()
	require.Equal(t, before, after)
	require.Equal(t, LostLease, m.Why())
}

func TestTheRestGrowsWithFailuresUpToAMinute(t *testing.T) {
	var rests []time.Duration
	for n := range 8 {
		rests = append(rests, worldTerms.failRest(n+1))
	}
	require.Equal(t, []time.Duration{12 * second, 24 * second, 48 * second, 60 * second, 60 * second, 60 * second, 60 * second, 60 * second}, rests)
	require.Equal(t, 300*second, Terms{TTL: 300 * second}.failRest(5), "a term at least")
	require.Equal(t, time.Second, Terms{TTL: 1}.failRest(1))
	require.Equal(t, time.Second, Terms{Renew: 1}.failRest(1))
}

// A member that has led for a minute begins again with the shortest rest.
func TestTheRestStartsOverAfterALongLead(t *testing.T) {
	run := func(rest Rest, led time.Duration) Rest {
		m := New(worldTerms, rest)
		m.Tick(0)
		m.Won(0, 0, 0) // it does not end by itself
		require.Equal(t, []Action{Release}, m.Ended(false, led))
		return m.Rest()
	}
	require.Equal(t, 4, run(Rest{Fails: 3}, 59*second).Fails)
	require.Equal(t, 1, run(Rest{Fails: 3}, 60*second).Fails)
}

func TestNoSumOfTermsOverflows(t *testing.T) {
	huge := Terms{TTL: math.MaxInt64, Renew: math.MaxInt64, Request: math.MaxInt64, Stop: math.MaxInt64, Release: math.MaxInt64, Slack: math.MaxInt64}
	require.Equal(t, time.Duration(math.MaxInt64), huge.Needs())
	require.False(t, huge.Fits(math.MaxInt64))
	require.True(t, huge.Fits(0))
}

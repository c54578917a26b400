package gatetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child/gate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subject makes the fake engine a subject, with members that have a fault.
func subject(broken fault) Subject {
	e := NewEngine()
	member := func(x gate.Elector) *Member { return x.(*Member) }
	return Subject{
		TTL: 12 * time.Second,
		Member: func(id string) gate.Elector {
			m := e.Member(id, 12*time.Second)
			m.fault = broken
			return m
		},
		Cut:        func(x gate.Elector, cut bool) { member(x).Cut(cut) },
		LoseReply:  func(x gate.Elector) { member(x).LoseReplies(1) },
		Slow:       func(x gate.Elector, latency time.Duration) { member(x).Slow(latency) },
		Away:       e.Away,
		Delete:     e.Delete,
		Grant:      e.Grant,
		StepMember: func(x gate.Elector, by time.Duration) { member(x).StepClock(by) },
		StepEngine: e.StepClock,
	}
}

func TestTheFakeEngineConforms(t *testing.T) {
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Run(t, subject("")) })
		})
	}
}

// A critic is a t that keeps what a check says.
type critic struct {
	testing.TB
	t        *testing.T
	faults   []string
	cleanups []func()
}

func (c *critic) Helper()                  {}
func (c *critic) Name() string             { return c.t.Name() }
func (c *critic) Context() context.Context { return c.t.Context() }
func (c *critic) Cleanup(f func())         { c.cleanups = append(c.cleanups, f) }
func (c *critic) Logf(string, ...any)      {}
func (c *critic) Error(args ...any)        { c.faults = append(c.faults, fmt.Sprint(args...)) }

func (c *critic) Errorf(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func (c *critic) Fatalf(format string, args ...any) {
	c.Errorf(format, args...)
	runtime.Goexit()
}

// faultsFound returns what a check says about a subject.
func faultsFound(t *testing.T, c Check, s Subject) []string {
	judge := &critic{t: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(judge, s)
	}()
	<-done
	if s.Away != nil {
		s.Away(false)
	}
	for _, f := range slices.Backward(judge.cleanups) {
		f()
	}
	return judge.faults
}

// found says which check must find a fault. Others may find it, too.
var found = map[fault]string{
	ignoresHolder:     "release hands over at once",
	repeatsToken:      "one holder at a time, and tokens grow, over thousands of hand-overs",
	forgetsToken:      "a deleted lease is lost, and tokens grow nevertheless",
	revives:           "a holder that pauses for longer than the term has lost",
	hidesLoss:         "a holder that pauses for longer than the term has lost",
	hidesErrors:       "a renewal of a holder that is cut off does not succeed",
	releasesOthers:    "a late release harms nobody",
	keepsReleased:     "release hands over at once",
	leavesBid:         "an Acquire that is cancelled leaves nothing",
	countsFromAnswer:  "a term counts from when its request was sent",
	ignoresGrant:      "the term is the one that was granted",
	waitsForever:      "an Acquire whose request is not answered returns an error",
	takesShards:       "a shard has one member",
	keepsCeded:        "a shard that is ceded goes to another at once, with a higher token",
	cedesOthers:       "a shard that is ceded goes to another at once, with a higher token",
	repeatsShardToken: "a shard that is ceded goes to another at once, with a higher token",
	revivesMembers:    "a member that pauses for longer than the term has lost all shards",
	claimsAfterEnd:    "a member that pauses for longer than the term has lost all shards",
	hidesLeaving:      "Watch shows each change, and nothing else",
	joinsForever:      "a Join or Watch whose request is not answered returns an error",
	countsJoin:        "the term of a member counts from when its request was sent",
	forgetsJoins:      "members that join at the same time all stay",
	leavesJoin:        "a Join whose answer was lost leaves nothing",
	mixesLayouts:      "members with another layout wait until the last one has gone",
	ownClock:          "clocks of members that differ and step change nothing",
}

func TestEachBrokenElectorIsFound(t *testing.T) {
	for _, broken := range faults {
		t.Run(string(broken), func(t *testing.T) {
			var by []string
			for _, c := range Checks() {
				if c.Name == stormName || c.Name == shardStormName { // what it finds depends on chance
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					if faults := faultsFound(t, c, subject(broken)); len(faults) > 0 {
						by = append(by, c.Name)
						t.Log(c.Name + ": " + strings.Join(faults, "; "))
					}
				})
			}
			require.Contains(t, by, found[broken])
		})
	}
}

// The storm finds an engine that gives a lease that another holds, and one that hides a
// loss, in almost every run.
func TestTheStormFindsTwoHolders(t *testing.T) {
	storm := Checks()[len(Checks())-1]
	require.Equal(t, stormName, storm.Name)
	for _, broken := range []fault{ignoresHolder, hidesErrors} {
		var all []string
		for range 3 {
			synctest.Test(t, func(t *testing.T) { all = append(all, faultsFound(t, storm, subject(broken))...) })
		}
		require.NotEmpty(t, all, broken)
		t.Log(broken, all)
	}
}

package supervisor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// A supervisor remembers which kinds have a subscriber at it or above. These tests subscribe
// and cancel at each level while events flow.

// nestedIn starts supervisors that are nested in one another, the root first, with one child in
// the innermost. It returns them and the context of the child.
func nestedIn(t *testing.T, n int) (sups []*Supervisor, leaf child.Context) {
	run := func(ctx child.Context) error {
		leaf = ctx
		return obedientRun(ctx)
	}
	sups = make([]*Supervisor, n)
	for i := n - 1; i >= 0; i-- {
		sups[i] = quietRoot(t, Spec{Name: "s", Children: []child.Spec{{Name: "s", Run: run}}})
		run = sups[i].Run
	}
	require.NoError(t, sups[0].Start(context.Background()))
	return sups, leaf
}

// Each subscription receives exactly the events of its kinds between its beginning and its
// end, whatever else is subscribed and cancelled meanwhile, at whatever level.
func TestASubscriptionAtAnyLevelReceivesAllEventsFromItsBeginningToItsEnd(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			sups, leaf := nestedIn(t, 1+random.IntN(5))
			type subscriber struct {
				kind      EventKind
				cancel    func()
				got, want int
			}
			var all, live []*subscriber
			for range 60 {
				switch i := random.IntN(3 + len(live)); {
				case i < 2: // an event
					kind, f := EventError, func() { leaf.OnError(context.Canceled) }
					if random.IntN(2) == 0 {
						kind, f = EventStatus, func() { leaf.Status(fmt.Sprint(random.Int())) }
					}
					f()
					synctest.Wait()
					for _, s := range live {
						if s.kind == kind {
							s.want++
						}
					}
				case i == 2:
					s := &subscriber{kind: EventError}
					if random.IntN(2) == 0 {
						s.kind = EventStatus
					}
					s.cancel = sups[random.IntN(len(sups))].Subscribe(func(Event) { s.got++ }, s.kind)
					all, live = append(all, s), append(live, s)
				default:
					live[i-3].cancel()
					live = append(live[:i-3], live[i-2:]...)
				}
				for _, s := range all {
					require.Equal(t, s.want, s.got, "seed %d", seed)
				}
			}
			for _, s := range live {
				s.cancel()
			}
			require.NoError(t, sups[0].Stop(context.Background()))
		})
	}
}

// Subscribers come and go at many levels while the child reports errors. Each receives the
// error that its own goroutine causes after it has subscribed.
//
// A look at all of the thousand levels takes a while. A subscription that begins during it must
// not be missed: so one goroutine causes such looks, one after another.
func TestSubscribersComeAndGoAtManyLevelsWhileEventsFlow(t *testing.T) {
	const levels, apart = 1000, 250
	sups, leaf := nestedIn(t, levels)
	var subscribers, looks sync.WaitGroup
	over := make(chan struct{})
	looks.Go(func() {
		for !isClosed(over) {
			sups[0].Subscribe(func(Event) {}, EventGaveUp)()
			leaf.OnError(context.Canceled)
		}
	})
	for i := apart - 1; i < levels; i += apart {
		sup := sups[i]
		subscribers.Go(func() {
			for j := range 100 {
				mine := fmt.Errorf("%d at level %d", j, i)
				received := make(chan struct{})
				cancel := sup.Subscribe(func(e Event) {
					if e.Err == mine { // others' come too
						close(received)
					}
				}, EventError)
				leaf.OnError(mine)
				<-received
				cancel()
			}
		})
	}
	subscribers.Wait()
	close(over)
	looks.Wait()
	l := runOf(leaf).life
	l.mu.Lock()
	require.Zero(t, l.subscribed(), "all have cancelled")
	l.mu.Unlock()
	require.NoError(t, sups[0].Stop(context.Background()))
}

// A supervisor that runs below another root than before is subscribed to by that one's
// subscribers, and no longer by those of the first.
func TestASupervisorThatMovesToAnotherTreeLeavesTheSubscribersAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := quietRoot(t, Spec{Name: "s", Children: []child.Spec{{Name: "a", Run: obedientRun}}})
		var got [2]int
		for i := range got {
			root := quietRoot(t, Spec{Name: "s", Children: []child.Spec{{Name: "s", Run: inner.Run}}})
			defer root.Subscribe(func(e Event) {
				if e.Path == "/s/s/a" {
					got[i]++
				}
			}, EventStarting)()
			require.NoError(t, root.Start(t.Context()))
			require.NoError(t, inner.RestartChild(t.Context(), "a"))
			require.NoError(t, root.Stop(t.Context()))
		}
		synctest.Wait()
		require.Equal(t, [2]int{2, 2}, got)
	})
}

// While no subscription changes, an event without a subscriber does not look at the
// supervisors above: here a subscription appears there behind its back, and is not seen.
func TestAnEventWithoutASubscriberLooksAtNoSupervisorAbove(t *testing.T) {
	sups, leaf := nestedIn(t, 3)
	l := runOf(leaf).life
	subscribed := func() kinds {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.subscribed()
	}
	require.Zero(t, subscribed())
	root := &sups[0].subs
	root.kinds.Store(uint32(EventError.set()))
	require.Zero(t, subscribed())
	subscriptionChanges.Add(1)
	require.Equal(t, EventError.set(), subscribed())
	root.kinds.Store(0)
	subscriptionChanges.Add(1)
	require.NoError(t, sups[0].Stop(context.Background()))
}

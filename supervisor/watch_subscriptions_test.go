package supervisor

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// Subscribing and cancelling take constant time. They may visit only the neighbours of a
// subscription: here the list is a circle, and code that walked over it would not return.
func TestSubscribeAndCancelVisitNoOtherSubscriptions(t *testing.T) {
	s := New(Spec{})
	for range 3 {
		s.Subscribe(func(Event) {})
	}
	circle := s.subs.first.next
	circle.next.next = circle
	first := s.Subscribe(func(Event) {})
	second := s.Subscribe(func(Event) {})
	first()
	second()
	first()
	require.Same(t, circle, s.subs.first.next)
}

func TestSubscriptionsAreAsManyAsWereNotCancelled(t *testing.T) {
	s := New(Spec{})
	const many = 10_000
	var cancels []func()
	for i := range many {
		cancels = append(cancels, s.Subscribe(func(Event) {}, EventKind(1+i%int(EventGaveUp))))
	}
	for i := range many { // in an order of its own
		cancels[i*7919%many]()
		cancels[i*7919%many]()
	}
	require.Nil(t, s.subs.first)
	require.Zero(t, s.subs.kinds.Load())
	require.Zero(t, s.subs.want)
}

// A caller that waits for a hanging subscriber and gives up leaves nothing in its queue.
func TestWaitingForASubscriberThatHangsLeaksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		s := quietRoot(t, Spec{Children: []child.Spec{{Name: "a", Run: obedientRun}}})
		s.Subscribe(func(Event) { <-free })
		require.NoError(t, s.Start(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
		sub := s.subs.first
		require.Equal(t, sub.drained(), sub.drained(), "all wait for one thing")
		close(free)
		synctest.Wait()
		<-sub.drained()
	})
}

// Up to mostFew subscriptions are found in another way than more.
func TestFewAndManySubscribersReceiveEachEventOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quietRoot(t, Spec{Children: []child.Spec{{Name: "a", Run: obedientRun}}})
		require.NoError(t, s.Start(t.Context()))
		var received [3 * mostFew]int
		var cancels []func()
		restart := func() {
			before := received
			require.NoError(t, s.RestartChild(t.Context(), "a"))
			synctest.Wait()
			for i := range received {
				more := 0
				if i < len(cancels) && cancels[i] != nil {
					more = 1
				}
				require.Equal(t, before[i]+more, received[i], "subscriber %d of %d", i, len(cancels))
			}
		}
		for i := range received {
			restart()
			cancels = append(cancels, s.Subscribe(func(Event) { received[i]++ }, EventReady))
		}
		for i := range received {
			restart()
			i = i * 7 % len(received) // in an order of its own
			cancels[i]()
			cancels[i] = nil
		}
		restart()
		require.NoError(t, s.Stop(t.Context()))
	})
}

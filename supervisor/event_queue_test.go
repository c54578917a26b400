package supervisor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func orders(from, to uint64) (list []uint64) {
	for ; from <= to; from++ {
		list = append(list, from)
	}
	return list
}

// fillQueue pushes events and returns the numbers of those that were dropped.
func fillQueue(q *eventQueue, from, to uint64) (dropped []uint64) {
	for _, i := range orders(from, to) {
		q.push(&entry{order: i}, func(e *entry) { dropped = append(dropped, e.order) })
	}
	return dropped
}

func takeAll(q *eventQueue) (list []uint64) {
	for q.len() > 0 {
		list = append(list, q.front().order)
		q.drop()
	}
	return list
}

func TestAFullQueueKeepsTheFirstAndTheLatestEvents(t *testing.T) {
	var q eventQueue
	require.Empty(t, fillQueue(&q, 1, 1000))
	require.Equal(t, orders(501, 4000), fillQueue(&q, 1001, 4500))
	require.Equal(t, append(orders(1, 500), orders(4001, 4500)...), takeAll(&q))
}

// What was the latest half is the first half when that has been taken.
func TestAQueueThatIsTakenSlowlyKeepsItsOrder(t *testing.T) {
	var q eventQueue
	fillQueue(&q, 1, 1000)
	for i := range uint64(700) {
		require.Equal(t, i+1, q.front().order)
		q.drop()
	}
	require.Equal(t, 300, q.len())
	require.Empty(t, fillQueue(&q, 1001, 1700))
	require.Equal(t, orders(1201, 1300), fillQueue(&q, 1701, 1800))
	require.Equal(t, append(orders(701, 1200), orders(1301, 1800)...), takeAll(&q))
	require.Empty(t, fillQueue(&q, 1801, 2800))
}

// Whatever was taken before, a thousand fit.
func TestAThousandEventsAlwaysFit(t *testing.T) {
	for _, taken := range []int{0, 1, 100, 499, 500, 501, 999, 1000} {
		var q eventQueue
		fillQueue(&q, 1, 3000)
		for range taken {
			q.drop()
		}
		left := append(orders(1, 500), orders(2501, 3000)...)[taken:]
		more := orders(3001, 3000+uint64(taken))
		require.Empty(t, fillQueue(&q, 3001, 3000+uint64(taken)), taken)
		require.Equal(t, append(left, more...), takeAll(&q), taken)
	}
}

func TestAQueueFindsEachEvent(t *testing.T) {
	for _, taken := range []int{0, 1, 499, 500, 501, 999} {
		var q eventQueue
		fillQueue(&q, 1, 3000)
		for range taken {
			q.drop()
		}
		want := append(orders(1, 500), orders(2501, 3000)...)[taken:]
		for _, i := range want {
			require.Equal(t, i, q.find(i).order)
		}
		fillQueue(&q, 3001, 3100)
		require.Equal(t, uint64(3050), q.find(3050).order)
	}
}

package machine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/strategy"
)

// affected returns the range of children, from included to excluded, that are
// restarted when child number failed of n fails. Children are numbered from zero in start
// order. It is the reference for the machine's groups.
func affected(s strategy.Strategy, failed, n int) (from, to int) {
	switch s {
	case strategy.OneForAll:
		return 0, n
	case strategy.RestForOne:
		return failed, n
	default:
		return failed, failed + 1
	}
}

func TestAffectedChildrenByStrategy(t *testing.T) {
	for _, c := range []struct {
		strategy         strategy.Strategy
		failed, n        int
		wantFrom, wantTo int
	}{
		{strategy.OneForOne, 0, 1, 0, 1},
		{strategy.OneForOne, 0, 4, 0, 1},
		{strategy.OneForOne, 2, 4, 2, 3},
		{strategy.OneForOne, 3, 4, 3, 4},
		{strategy.OneForAll, 0, 1, 0, 1},
		{strategy.OneForAll, 0, 4, 0, 4},
		{strategy.OneForAll, 2, 4, 0, 4},
		{strategy.OneForAll, 3, 4, 0, 4},
		{strategy.RestForOne, 0, 1, 0, 1},
		{strategy.RestForOne, 0, 4, 0, 4},
		{strategy.RestForOne, 2, 4, 2, 4},
		{strategy.RestForOne, 3, 4, 3, 4},
		{strategy.Independent, 0, 1, 0, 1},
		{strategy.Independent, 0, 4, 0, 1},
		{strategy.Independent, 2, 4, 2, 3},
		{strategy.Independent, 3, 4, 3, 4},
	} {
		from, to := affected(c.strategy, c.failed, c.n)
		require.Equal(t, []int{c.wantFrom, c.wantTo}, []int{from, to}, "%v: %d of %d", c.strategy, c.failed, c.n)
	}
}

// checkGroups compares the machine's groups, which are parts of a linked list, with those
// of affected, which are numbers.
func checkGroups(w *world) {
	var all []*Child
	for c := w.m.first; c != nil; c = c.next {
		all = append(all, c)
	}
	for i, c := range all {
		from, to := w.m.group(c)
		first, behind := affected(w.m.conf.Strategy, i, len(all))
		if from != all[first] || to != all[behind-1] {
			w.fail("the group of %s is %s to %s", c.Name(), from.Name(), to.Name())
		}
	}
}

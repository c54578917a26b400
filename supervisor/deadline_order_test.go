package supervisor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/machine"
)

// A timer may come late, and then find deadlines of several lengths that are over.
// They are told in the order in which they fell due, whatever their lengths.
func TestDeadlinesThatAreOverComeInTheOrderInWhichTheyFellDue(t *testing.T) {
	l := &life{m: machine.New(machine.Config{})}
	defer l.timers.end()
	arm := func(at, wait time.Duration) *run {
		l.m.Suspend(at) // lets the machine's time pass
		r := &run{life: l}
		l.timers.arm(l, r, machine.StopTimer, wait)
		return r
	}
	first := arm(0, 5*time.Hour)
	third := arm(3*time.Hour, 3*time.Hour)
	same := arm(3*time.Hour, 3*time.Hour)
	second := arm(210*time.Minute, 2*time.Hour)
	later := arm(4*time.Hour, 24*time.Hour)
	var order []*run
	for _, e := range l.timers.expired(l, 10*time.Hour) {
		order = append(order, e.run)
	}
	require.Len(t, order, 4)
	for i, r := range []*run{first, second, third, same} {
		require.Same(t, r, order[i], "%d", i)
	}
	require.NotNil(t, later.queue, "it is not over")
	require.True(t, l.timers.set && l.timers.at == 28*time.Hour, "and it is woken for")
}

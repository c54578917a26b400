package supervisor

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A timer may come late, and then find deadlines of several lengths that are over.
// They fire in the order in which they fell due, whatever their lengths.
func TestExpiredDeadlinesFireInTheOrderInWhichTheyFellDue(t *testing.T) {
	l := new(life)
	l.m.Init(machine.Config{})
	defer l.timers.end()
	arm := func(at, wait time.Duration) *run {
		l.m.Suspend(at) // lets the machine's time pass
		r := &run{life: l, child: new(machine.Child)}
		l.timers.arm(l, r, machine.StopTimer, wait)
		return r
	}
	first := arm(0, 5*time.Hour)
	third := arm(3*time.Hour, 3*time.Hour)
	same := arm(3*time.Hour, 3*time.Hour)
	second := arm(210*time.Minute, 2*time.Hour)
	later := arm(4*time.Hour, 24*time.Hour)
	var order []*run
	l.timers.at = 10 * time.Hour // as if it had come in time: else everybody would be spared
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

// A timer that was already firing when it was reset or cleared is ignored.
func TestATimerThatWasResetDoesNotFireForTheOldTime(t *testing.T) {
	free := make(chan struct{})
	defer close(free)
	s := New(Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "a", StopTimeout: time.Hour, Run: func(ctx child.Context) error {
		err := ctx.Ready()
		<-free
		return err
	}}}})
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { _ = s.Stop(context.Background()) }) // after free was closed
	gone, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, s.StopChild(gone, "a"), context.Canceled)
	l := s.latest()
	l.mu.Lock()
	r := runOfChild(l.m.First())
	set := r.set
	l.mu.Unlock()
	l.fire(r, machine.StopTimer, set-1, nil)
	require.Equal(t, child.Stopping, s.Children()[0].State)
	l.fire(r, machine.StopTimer, set, nil)
	require.Equal(t, child.Stopped, s.Children()[0].State)
}

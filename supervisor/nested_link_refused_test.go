package supervisor

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// A supervisor that would join a run which has returned is refused. A Wait that has begun
// meanwhile returns.
func TestWaitOfASupervisorThatWasRefusedEnds(t *testing.T) {
	ended := make(chan child.Context, 1)
	root := New(Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{
		Name: "a", Restart: child.Temporary, Run: child.Task(func(ctx context.Context) error {
			ended <- child.FromContext(ctx)
			return nil
		}),
	}}})
	require.NoError(t, root.Start(t.Context()))
	t.Cleanup(func() { _ = root.Stop(context.Background()) })
	ctx := <-ended
	<-ctx.Done()

	nested := New(Spec{})
	l := root.latest()
	l.mu.Lock()
	refused, waited := make(chan error), make(chan error)
	go func() { refused <- nested.Run(ctx) }()
	waitFor(func() bool { return nested.latest() != nil }) // it is about to join, and wants the lock
	done := nested.Done()
	go func() { waited <- nested.Wait() }()
	l.mu.Unlock()
	require.ErrorIs(t, <-refused, ErrNotRunning)
	<-done
	<-waited
	require.ErrorIs(t, nested.Wait(), ErrNotRunning, "as if it had never been started")
}

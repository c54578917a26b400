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

// It may be started as a root as soon as it is refused. Only then is its former life put
// back, which must not undo the start.
func TestRefusedSupervisorThatIsStartedAtOnceStaysStarted(t *testing.T) {
	contexts := make(chan child.Context, 1)
	inner := New(Spec{Logger: silent})
	root := New(Spec{Logger: silent, Children: []child.Spec{{Name: "taken", Run: func(ctx child.Context) error {
		contexts <- ctx
		return inner.Run(ctx)
	}}}})
	require.NoError(t, root.Start(t.Context()))
	ctx := <-contexts
	for range 2000 {
		s := New(Spec{Logger: silent})
		refused := make(chan error)
		go func() { refused <- s.Run(ctx) }()
		waitFor(func() bool { return s.Start(context.Background()) == nil }) // it is refused, or has not asked yet
		require.Error(t, <-refused)
		_, err := s.running()
		require.NoError(t, err)
		require.NoError(t, s.Stop(context.Background()))
	}
	require.NoError(t, root.Stop(context.Background()))
}

// The supervisor that runs in the child has the path of the one that is refused, so events
// of that would say that the one that runs has ended.
func TestNothingIsPublishedOfARefusedSupervisor(t *testing.T) {
	contexts, kinds := make(chan child.Context, 1), make(chan EventKind, 10)
	inner := New(Spec{})
	root := New(Spec{Logger: silent, Children: []child.Spec{{Name: "taken", Run: func(ctx child.Context) error {
		contexts <- ctx
		return inner.Run(ctx)
	}}}})
	require.NoError(t, root.Start(t.Context()))
	ctx := <-contexts
	defer root.Subscribe(func(e Event) { kinds <- e.Kind }, EventClosing, EventOver, EventError, EventRequest)()
	require.ErrorIs(t, New(Spec{}).Run(ctx), ErrNested)

	late := newLife(New(Spec{}), &Spec{}, ctx, runOf(ctx)) // that a call of StartChild has seen before it is refused
	late.refuse(ErrNested)
	asked := newCall(late, "a")
	late.add(asked, &child.Spec{Name: "a", Run: inner.Run}, Request{By: "ann"})
	<-asked.done
	require.ErrorIs(t, asked.err, ErrNotRunning)

	require.NoError(t, inner.Health())
	ctx.OnError(ErrNested)
	require.Equal(t, EventError, <-kinds, "the first event")
	require.NoError(t, root.Stop(context.Background()))
}

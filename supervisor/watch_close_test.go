package supervisor

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// The context may end when an event has left the queue and is not yet being sent. The
// channel is closed behind that event: a send on a closed channel panics.
func TestWatchDoesNotCloseItsChannelWhileAnEventIsBeingSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			err := ctx.Ready()
			<-ctx.Done()
			return err
		}}}})
		ctx, end := context.WithCancel(t.Context())
		events := s.Watch(ctx, "a", EventReady)
		sub := s.subs.first
		send, onItsWay, goOn := sub.f, make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() { close(goOn) })
		defer release()
		sub.f = func(e Event) {
			close(onItsWay)
			<-goOn
			send(e)
		}
		require.NoError(t, s.Start(t.Context()))
		t.Cleanup(func() { _ = s.Stop(context.Background()) })
		<-onItsWay
		end()
		synctest.Wait()
		select {
		case _, open := <-events:
			require.True(t, open, "closed too early")
		default:
		}
		release()
		synctest.Wait()
		_, open := <-events
		require.False(t, open)
		require.Nil(t, s.subs.first, "it is no subscriber any more")
	})
}

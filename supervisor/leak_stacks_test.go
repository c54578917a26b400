package supervisor

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// The stacks of all goroutines may take as much as 64 MB. They are released as soon as
// the wanted ones are found.
func TestTheStacksOfAllAreNotKept(t *testing.T) {
	for name, leaveBehind := range map[string]func(*testing.T, *Supervisor) error{
		"one": func(t *testing.T, s *Supervisor) error { return s.StopChild(t.Context(), "a") },
		"all": func(t *testing.T, s *Supervisor) error { s.latest().abandonAll(nil); return s.Stop(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				release := sync.OnceFunc(func() { close(free) })
				defer release()
				s := New(Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
					err := ctx.Ready()
					<-free
					return err
				}}}})
				require.NoError(t, s.Start(t.Context()))
				var left *StopError
				require.ErrorAs(t, leaveBehind(t, s), &left)
				require.Len(t, left.Abandoned, 1)
				require.NotEmpty(t, left.Abandoned[0].Stack)
				l := s.latest()
				l.mu.Lock()
				kept := l.dump
				l.mu.Unlock()
				require.Nil(t, kept)
				release()
				synctest.Wait()
				require.NoError(t, s.Stop(t.Context()))
			})
		})
	}
}

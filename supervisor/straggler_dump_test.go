package supervisor

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// The stacks of all goroutines may be as much as 64 MB: when those that were asked for
// are found, they are let go of.
func TestTheStacksOfAllAreNotKept(t *testing.T) {
	stacks := func(halt bool) {
		synctest.Test(t, func(t *testing.T) {
			free := make(chan struct{})
			s := New(Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				err := ctx.Ready()
				<-free
				return err
			}}}})
			require.NoError(t, s.Start(t.Context()))
			var left *StopError
			if halt {
				s.latest().halt(nil)
				require.ErrorAs(t, s.Stop(t.Context()), &left)
			} else {
				require.ErrorAs(t, s.StopChild(t.Context(), "a"), &left)
			}
			require.Len(t, left.Left, 1)
			require.NotEmpty(t, left.Left[0].Stack)
			l := s.latest()
			l.mu.Lock()
			kept := len(l.dump)
			l.mu.Unlock()
			close(free)
			require.Zero(t, kept)
			synctest.Wait()
			require.NoError(t, s.Stop(t.Context()))
		})
	}
	stacks(false)
	stacks(true)
}

package supervisor_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A ponderous handler takes ten milliseconds for a line.
type ponderous struct{ slog.Handler }

func (h ponderous) Handle(ctx context.Context, r slog.Record) error {
	time.Sleep(10 * time.Millisecond)
	return h.Handler.Handle(ctx, r)
}

// A program may exit when any of these has returned.
func TestWhatEndsATreeReturnsWhenTheLogIsWritten(t *testing.T) {
	stopLater := func(sup *supervisor.Supervisor) {
		go func() {
			synctest.Wait()
			_ = sup.Stop(context.Background())
		}()
	}
	for _, c := range []struct {
		name string
		last child.Spec
		run  func(t *testing.T, sup *supervisor.Supervisor)
	}{
		{"Serve", child.Spec{Run: idle}, func(t *testing.T, sup *supervisor.Supervisor) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.NoError(t, sup.Serve(ctx))
		}},
		{"Stop", child.Spec{Run: idle}, func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.Start(t.Context()))
			require.NoError(t, sup.Stop(t.Context()))
		}},
		{"Wait", child.Spec{Run: idle}, func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.Start(t.Context()))
			stopLater(sup)
			require.NoError(t, sup.Wait())
		}},
		{"Run outside of a tree", child.Spec{Run: idle}, func(t *testing.T, sup *supervisor.Supervisor) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.NoError(t, sup.Run(child.FromContext(ctx)))
		}},
		{"Start that fails", child.Spec{Run: failing}, func(t *testing.T, sup *supervisor.Supervisor) {
			require.ErrorIs(t, sup.Start(t.Context()), errBoom)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				text := new(safe)
				c.last.Name = "last"
				sup := supervisor.New(supervisor.Spec{
					Logger:   slog.New(ponderous{slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug})}),
					Children: []child.Spec{{Name: "first", Run: idle}, c.last},
				})
				c.run(t, sup)
				require.Regexp(t, `stopped"? path=/root/first`, text.String())
			})
		})
	}
}

package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// A life has one spec, and nothing of it reaches the next life.

// Upgrade may come between the making of a life and its boot.
func TestLifeReadsItsSpecOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quietRoot(t, Spec{MaxChildren: 1, StopTimeout: time.Second, Children: []child.Spec{{Name: "old", Run: obedientRun}}})
		l, err := s.begin(t.Context(), nil)
		require.NoError(t, err)
		d := newDeaf(t)
		require.NoError(t, s.Upgrade(Spec{MaxChildren: 3, StopTimeout: time.Minute, Logger: l.log.to, Children: []child.Spec{{Name: "new", Run: obedientRun}}}))
		require.ErrorIs(t, s.Upgrade(Spec{Strategy: strategy.Independent}), machine.ErrStrategy)
		l.boot()
		<-l.up
		_, old := s.Lookup("old")
		_, fresh := s.Lookup("new")
		require.Equal(t, []bool{false, true}, []bool{old, fresh})
		require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: "2", Run: obedientRun}, child.Spec{Name: "3", Run: d.Run, StopTimeout: child.Forever}))
		require.ErrorIs(t, s.StartChild(t.Context(), child.Spec{Name: "4", Run: obedientRun}), ErrMaxChildren)
		began := time.Now()
		require.Error(t, s.Stop(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// hanging is a log handler that hangs.
type hanging struct {
	slog.Handler
	free chan struct{}
}

func (h hanging) Enabled(context.Context, slog.Level) bool { return true }

func (h hanging) Handle(context.Context, slog.Record) error { <-h.free; return nil }

func TestLogThatHangsKeepsOneGoroutineHoweverOftenItsSupervisorRestarts(t *testing.T) {
	for _, name := range []string{"its own", "that of its root"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hanging{free: make(chan struct{})}
				defer close(h.free)
				spec := Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "x", Run: func(ctx child.Context) error {
					_ = ctx.Ready()
					if child.Sleep(ctx, time.Second) {
						return nil
					}
					return errors.New("bad")
				}}}}
				root := Spec{Intensity: strategy.Unlimited(), Logger: slog.New(slog.DiscardHandler)}
				if name == "its own" {
					spec.Logger = slog.New(h)
				} else {
					root.Logger = slog.New(h)
				}
				inner := New(spec)
				root.Children = []child.Spec{{Name: "in", Run: inner.Run}}
				s := New(root)
				require.NoError(t, s.Start(t.Context()))
				delivering := func() int {
					buf := make([]byte, 1<<20)
					return strings.Count(string(buf[:runtime.Stack(buf, true)]), "created by github.com/coppice-go/coppice/supervisor.(*subscription).hurry")
				}
				time.Sleep(100*time.Second + time.Millisecond)
				synctest.Wait()
				require.Equal(t, 1, delivering())
				l := s.latest()
				l.shared.mu.Lock()
				require.LessOrEqual(t, len(l.shared.undelivered), 1)
				l.shared.mu.Unlock()
				require.NoError(t, s.Stop(t.Context()))
			})
		})
	}
}

func TestErrorThatARunOfAnEarlierLifeReportsIsNotPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old child.Context
		kept := make(chan child.Context, 3)
		s := quietRoot(t, Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			kept <- ctx
			return obedientRun(ctx)
		}}}})
		require.NoError(t, s.Start(t.Context()))
		old = <-kept
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, s.Start(t.Context()))
		recorded := happenings(t, s)
		old.OnError(errors.New("late"))
		old.Unready(errors.New("late"))
		require.Error(t, old.Ready())
		old.Heartbeat()
		require.Empty(t, recorded())
		st, ok := s.Lookup("a")
		require.True(t, ok)
		require.NoError(t, st.LastError)
		require.NoError(t, st.Unready)
	})
}

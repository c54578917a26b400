package supervisor_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// ills returns the lines of Health.
func ills(sup *supervisor.Supervisor) []string {
	synctest.Wait()
	err := sup.Health()
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestHealthIsNilWhenEveryDeclaredChildIsReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "task", Run: child.Task(noWork)},
			{Name: "ended", Run: child.Plain(noWork), Restart: child.Transient},
			{Name: "forgotten", Run: child.Plain(noWork), Restart: child.Temporary},
			{Name: "off", Run: func(child.Context) error { return child.ErrIgnore }},
			{Name: "inner", Run: inner.Run},
		}})
		require.Nil(t, ills(sup))
		require.NoError(t, inner.Health())
	})
}

func TestHealthHasALineForEachUnhealthyChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		gaveUp, waits, deepWaits := newPuppet(), newPuppet(), newPuppet()
		lost := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{
			{Name: "x", Run: gaveUp.Run},
		}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "well", Run: idle},
			{Name: "deep", Run: deepWaits.Run, Backoff: child.Constant(time.Minute)},
		}})
		sup := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "well", Run: idle},
			{Name: "inner", Run: inner.Run},
			{Name: "lost", Run: lost.Run, Restart: child.Transient},
			{Name: "stopped", Run: idle},
			{Name: "away", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.Unready(errors.New("no database"))
				<-ctx.Done()
				return nil
			}},
			{Name: "waits", Run: waits.Run, Backoff: child.Constant(1500 * time.Millisecond)},
			{Name: "stops", Run: deaf.Run, StopTimeout: child.Forever},
			{Name: "starts", Run: func(ctx child.Context) error {
				if ctx.Restarts() == 0 {
					return idle(ctx)
				}
				<-ctx.Done()
				return nil
			}},
		}})
		require.Equal(t, []string{"/shop/away: not ready: no database"}, ills(sup))

		gaveUp.end(errBoom)
		deepWaits.end(errors.Join(errors.New("disk"), errors.New("full")))
		waits.end(errBoom)
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, sup.StopChild(t.Context(), "stopped"))
		go func() { _ = sup.StopChild(t.Context(), "stops") }()
		require.Equal(t, []string{
			"/shop/inner/deep: not ready: next start in 59.5s: disk; full",
			"/shop/lost: not ready: done: /shop/lost: gave up: more than 0 restarts in 1s: /shop/lost/x: boom",
			"/shop/stopped: not ready: stopped",
			"/shop/away: not ready: no database",
			"/shop/waits: not ready: next start in 1s: boom",
			"/shop/stops: not ready: stopping",
		}, ills(sup))
		require.Equal(t, []string{"/shop/inner/deep: not ready: next start in 59.5s: disk; full"}, ills(inner))

		err := sup.Health()
		require.ErrorIs(t, err, child.ErrNotReady)
		require.ErrorIs(t, err, errBoom)
		var gave *supervisor.GaveUpError
		require.ErrorAs(t, err, &gave)
		var of *supervisor.ChildError
		require.ErrorAs(t, err, &of)
		require.Equal(t, "/shop/inner/deep", of.Path)
	})
}

func TestHealthOfAStartThatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ready := make(chan struct{})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: func(ctx child.Context) error {
				<-ready
				return idle(ctx)
			}},
			{Name: "y", Run: idle},
		}})
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "inner", Run: inner.Run}, {Name: "z", Run: idle}}})
		require.ErrorIs(t, sup.Health(), supervisor.ErrNotRunning)
		require.EqualError(t, sup.Health(), "/root: not running")
		go func() { _ = sup.Start(t.Context()) }()
		require.Equal(t, []string{
			"/root/inner/x: not ready: starting",
			"/root/inner/y: not ready: stopped",
			"/root/z: not ready: stopped",
		}, ills(sup), "what holds inner up says more than that inner is starting")
		close(ready)
		require.Nil(t, ills(sup))
		require.NoError(t, sup.Stop(t.Context()))
		require.EqualError(t, sup.Health(), "/root: not running")
		require.EqualError(t, inner.Health(), "/root/inner: not running")
	})
}

// slowPool is a user's type whose own readiness comes after its supervisor's.
type slowPool struct {
	*supervisor.Supervisor
	warm chan struct{}
}

type holdReady struct {
	child.Context
	warm chan struct{}
}

func (h holdReady) Ready() error {
	<-h.warm
	return h.Context.Ready()
}

func (p *slowPool) Run(ctx child.Context) error { return p.Supervisor.Run(holdReady{ctx, p.warm}) }

func TestHealthReportsASupervisorThatIsNotReadyThoughItsChildrenAre(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &slowPool{supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}}), make(chan struct{})}
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "pool", Run: p.Run}}})
		go func() { _ = sup.Start(t.Context()) }()
		require.Equal(t, []string{"/root/pool: not ready: starting"}, ills(sup))
		close(p.warm)
		require.Nil(t, ills(sup))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestHealthDoesNotCountDynamicChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		p := newPuppet()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "added", Run: p.Run, Backoff: child.Constant(time.Hour)}))
		p.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "added"))
		require.Nil(t, ills(sup))
	})
}

func TestDeclinedChildIsUnhealthyOnceItRanAndWasStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		off := true
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if off {
				return child.ErrIgnore
			}
			return idle(ctx)
		}}}})
		require.Nil(t, ills(sup))
		off = false
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Nil(t, ills(sup))
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Equal(t, []string{"/root/a: not ready: stopped"}, ills(sup))
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Nil(t, ills(sup))
	})
}

func TestHealthReportsAnUnreadySupervisorAndItsUnreadyChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		ctxs := make(chan child.Context, 1)
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: func(ctx child.Context) error {
			ctxs <- ctx
			return inner.Run(ctx)
		}}}})
		(<-ctxs).Unready(errBoom)
		require.NoError(t, inner.StopChild(t.Context(), "x"))
		require.Equal(t, []string{"/root/pool: not ready: boom", "/root/pool/x: not ready: stopped"}, ills(sup))
	})
}

// A supervisor that stops is not ready, also if it has no declared child, or if those that
// it had are gone already.
func TestSupervisorThatStopsIsNotHealthy(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "task", Run: child.Task(noWork), Restart: child.Temporary}}})
				require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "slow", Run: slow(0, time.Second)}))
				require.Nil(t, ills(sup))
				stopped := make(chan error)
				go func() { stopped <- sup.Stop(t.Context()) }()
				require.Equal(t, []string{"/root: not ready: stopping"}, ills(sup))
				require.ErrorIs(t, sup.Health(), child.ErrNotReady)
				require.NoError(t, <-stopped)
				require.ErrorIs(t, sup.Health(), supervisor.ErrNotRunning)
			})
		})
	}
}

// The same holds for a nested supervisor that ends by itself: its parent still sees it as
// running.
func TestNestedSupervisorThatGivesUpIsNotHealthyWhileItStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second)})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		require.NoError(t, inner.StartChild(t.Context(),
			child.Spec{Name: "slow", Run: slow(0, time.Second)}, child.Spec{Name: "p", Run: p.Run}))
		require.Nil(t, ills(sup))
		p.end(errBoom)
		require.Equal(t, child.Running, state(t, sup, "in"))
		require.Equal(t, []string{"/root/in: not ready: stopping"}, ills(sup))
		time.Sleep(2 * time.Second)
		require.Nil(t, ills(sup), "it was restarted")
	})
}

package gate_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

func paths(sup *supervisor.Supervisor) []string {
	return slices.Sorted(maps.Keys(gate.Running(sup)))
}

func TestRunningFindsTheGatesOfATreeAtAnyDepth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		inner := gate.New(gate.Spec{Name: "/shop/inner", Elector: e.Member("inner", ttl), Run: idle})
		jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		outer := gate.New(gate.Spec{Name: "/shop/outer", Elector: e.Member("outer", ttl), Run: jobs.Run})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "outer", Run: outer.Run}}})
		other := member(t, e, "other", gate.Spec{Run: idle})
		require.Empty(t, gate.Running(root), "it has not started")
		require.Empty(t, gate.Running(nil))

		require.NoError(t, root.Start(t.Context()))
		after(time.Second)
		require.Equal(t, map[string]*gate.Gate{"/shop/outer": outer, "/shop/outer/guarded/inner": inner}, gate.Running(root))
		require.Equal(t, []string{"/shop/outer/guarded/inner"}, paths(jobs), "below a nested supervisor")
		require.Equal(t, []string{"/other/billing"}, paths(other.root))
		require.Equal(t, "/shop/inner", gate.Running(jobs)["/shop/outer/guarded/inner"].Name())

		require.NoError(t, root.StopChild(t.Context(), "outer"))
		require.Empty(t, gate.Running(root), "it does not run")
		require.NoError(t, root.RestartChild(t.Context(), "outer"))
		after(time.Minute)
		require.Len(t, gate.Running(root), 2)
		require.NoError(t, root.Stop(context.Background()))
		require.Empty(t, gate.Running(root))
	})
}

// stuck is an engine that does not answer, not even when its context ends.
type stuck struct {
	*gatetest.Member
	answer chan struct{}
}

func (s *stuck) Acquire(ctx context.Context, _ string) (gate.Lease, error) {
	<-s.answer
	return nil, context.Cause(ctx)
}

// An abandoned run of a gate does not stand in the place of the one that runs.
func TestRunningPrefersTheRunThatWasNotAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		s := &stuck{e.Member("stuck", ttl), make(chan struct{})}
		before := gate.New(gate.Spec{Name: name, Elector: s, Run: idle})
		now := gate.New(gate.Spec{Name: name, Elector: e.Member("now", ttl), Run: idle})
		spec := func(g *gate.Gate) supervisor.Spec {
			return supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "billing", Run: g.Run, StopTimeout: time.Second}}}
		}
		root := supervisor.New(spec(before))
		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, root.Upgrade(spec(now)))
		require.Error(t, root.RestartChild(t.Context(), "billing"), "the first run is abandoned")
		for range 20 { // in any order of the map
			require.Equal(t, map[string]*gate.Gate{"/shop/billing": now}, gate.Running(root))
		}
		close(s.answer)
		synctest.Wait() // until that run has returned
		require.NoError(t, root.Stop(context.Background()))
	})
}

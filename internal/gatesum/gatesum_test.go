package gatesum_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/internal/gatesum"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestGatesWithTheSameNameAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		member := func(id, name string) (*gatetest.Member, *gate.Gate) {
			m := e.Member(id, 12*time.Second)
			return m, gate.New(gate.Spec{Name: name, Elector: m, Run: testkit.Idle})
		}
		a, first := member("a", "jobs")
		_, second := member("b", "jobs")
		_, other := member("c", "other")
		root := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: first.Run}, {Name: "b", Run: second.Run}, {Name: "c", Run: other.Run},
		}})
		all := slices.Values([]*gate.Gate{first, second, other})
		require.Equal(t, map[string]gate.State{"jobs": {}, "other": {}}, gatesum.ByName(all))

		require.NoError(t, root.Start(t.Context()))
		defer func() { _ = root.Stop(context.Background()) }()
		time.Sleep(time.Second)
		a.Cut(true) // if a leads, b takes over
		time.Sleep(time.Minute)
		sums := gatesum.ByName(all)
		require.Len(t, sums, 2)
		require.True(t, sums["jobs"].Open)
		require.Equal(t, first.State().Wins+second.State().Wins, sums["jobs"].Wins)
		require.Equal(t, first.State().RenewalsFailed+second.State().RenewalsFailed, sums["jobs"].RenewalsFailed)
		require.True(t, sums["jobs"].Until.After(time.Now()))
		require.EqualValues(t, 1, sums["other"].Wins)
		a.Cut(false)
	})
}

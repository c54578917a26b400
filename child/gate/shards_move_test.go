package gate_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// A shard that moves was asked to stop, so what it returns is no failure, however soon.
func TestAMoveIsNoFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		returns := func(ctx child.Context) error {
			_ = idle(ctx)
			return context.Cause(ctx)
		}
		spec := gate.ShardsSpec{Run: func(int) func(child.Context) error { return returns }, MovesPerMinute: 100_000}
		x := shardMember(t, e, b, "x", spec, supervisor.Spec{})
		after(settled)
		var mu sync.Mutex
		var failures []supervisor.Event
		stopped := 0
		x.root.Subscribe(func(e supervisor.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == supervisor.EventStopped {
				stopped++
				return
			}
			failures = append(failures, e)
		}, supervisor.EventFailed, supervisor.EventRestarting, supervisor.EventCompleted, supervisor.EventError, supervisor.EventStopped)
		y := shardMember(t, e, b, "y", spec, supervisor.Spec{})
		after(moved)
		require.Equal(t, []int{6, 6}, held(x, y))
		mu.Lock()
		defer mu.Unlock()
		require.Empty(t, failures)
		require.Equal(t, 6, stopped)
	})
}

// Shards behind a shard: each level is handed over only when all below it has returned.
func TestShardsMayRunInAShard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		inner := gatetest.NewEngine()
		process := func(id string) *shardProcess {
			return shardMember(t, e, b, id, gate.ShardsSpec{N: 1, Run: func(int) func(child.Context) error {
				shards := gate.NewShards(gate.ShardsSpec{Name: "inner", N: 3, Elector: inner.Member(id, ttl), Run: func(int) func(child.Context) error {
					return func(ctx child.Context) error {
						depth := 0
						for range gate.Leases(ctx) {
							depth++
						}
						if depth != 4 {
							t.Errorf("%d leases, not those of two shards and two members", depth)
						}
						return idle(ctx)
					}
				}})
				return shards.Run
			}}, supervisor.Spec{})
		}
		x := process("x")
		after(2 * settled)
		y := process("y")
		after(2 * settled)
		require.Equal(t, []int{1, 0}, held(x, y))
		_, ok := x.root.Lookup("/x/feeds/shards/0/shards/2")
		require.True(t, ok)
		require.NoError(t, x.root.Stop(context.Background()))
		after(2 * settled)
		require.Equal(t, []int{0, 1}, held(x, y))
		_, ok = y.root.Lookup("/y/feeds/shards/0/shards/2")
		require.True(t, ok)
	})
}

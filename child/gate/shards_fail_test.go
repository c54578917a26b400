package gate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// poisoned returns the Run of shards of which one fails on a process.
func poisoned(shard int, with func(ctx child.Context) error) func(int) func(child.Context) error {
	return func(i int) func(child.Context) error {
		if i == shard {
			return with
		}
		return idle
	}
}

func boom(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return errBoom
}

func TestAShardThatFailsIsRestartedAndItsSiblingsGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: poisoned(5, boom), Backoff: child.Constant(time.Second)},
			supervisor.Spec{Children: []child.Spec{{Name: "web", Run: idle}}})
		after(settled)
		started := b.started()
		after(10 * time.Minute)
		require.InDelta(t, 600, b.started()-started, 10, "alone, it stays here")
		require.Len(t, x.shards.Held(), 12)
		st, _ := x.root.Lookup(x.shard(4))
		require.Zero(t, st.Restarts)
		require.Equal(t, child.Running, st.State)
		st, _ = x.root.Lookup("web")
		require.Zero(t, st.Restarts)
		require.Zero(t, x.feeds(t).Restarts)
		require.NoError(t, x.root.Health(), "a poisoned shard does not take the process out of service")
		st, _ = x.root.Lookup(x.shard(5))
		require.ErrorIs(t, st.LastError, errBoom)
	})
}

func TestAPoisonedShardMovesToAHealthyMember(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: func(int) func(child.Context) error { return idle }}, supervisor.Spec{})
		y := shardMember(t, e, b, "y", gate.ShardsSpec{}, supervisor.Spec{})
		after(settled)
		bad := x.shards.Held()[0]
		require.NoError(t, x.root.Stop(context.Background()))
		z := shardMember(t, e, b, "z", gate.ShardsSpec{Run: poisoned(bad, boom), HoldDown: time.Second}, supervisor.Spec{})
		after(moved)
		require.NoError(t, y.root.Stop(context.Background())) // now z has it, and is alone
		w := shardMember(t, e, b, "w", gate.ShardsSpec{HoldDown: time.Second}, supervisor.Spec{})
		after(time.Minute)
		require.Contains(t, w.shards.Held(), bad)
		after(moved)
		require.Equal(t, []int{6, 6}, held(z, w))
		require.Contains(t, w.shards.Held(), bad)
	})
}

func TestAShardThatIsPoisonedEverywhereStopsNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		panics := func(ctx child.Context) error { panic("poisoned") }
		var all []*shardProcess
		for i := range 3 {
			all = append(all, shardMember(t, e, b, fmt.Sprint("m", i), gate.ShardsSpec{Run: poisoned(7, panics)}, supervisor.Spec{}))
		}
		after(20 * time.Minute)
		total := 0
		for _, p := range all {
			require.Zero(t, p.feeds(t).Restarts)
			total += len(p.shards.Held())
		}
		require.GreaterOrEqual(t, total, 11)
		require.Less(t, b.started(), 700, "with a backoff, and a rest after each move")
		moves := 0
		for _, p := range all {
			moves += p.shards.State().Moved
		}
		require.Positive(t, moves, "it is not stuck on one member")
		require.Less(t, moves, 150)
	})
}

func TestABackoffThatGivesUpDoesNotStopOtherShards(t *testing.T) {
	for what, backoff := range map[string]child.Backoff{
		"retries": child.Constant(time.Second).Retries(2),
		"at once": func() child.BackoffPolicy { return givesUp{} },
		"panics":  func() child.BackoffPolicy { panic("policy") },
		"nil":     func() child.BackoffPolicy { return nil },
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var runs atomic.Int64
				fails := func(ctx child.Context) error {
					runs.Add(1)
					return sleepThen(ctx, time.Second, errBoom)
				}
				e, b := gatetest.NewEngine(), newBoard(t)
				x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: poisoned(5, fails), Backoff: backoff}, supervisor.Spec{})
				after(10 * time.Minute)
				require.Len(t, x.shards.Held(), 12)
				require.Zero(t, x.feeds(t).Restarts)
				require.Greater(t, runs.Load(), int64(100))
				require.Less(t, runs.Load(), int64(700))
			})
		})
	}
}

type givesUp struct{}

func (givesUp) NextBackOff() time.Duration { return -1 }
func (givesUp) Reset()                     {}

// sleepThen is ready, and returns an error after some time.
func sleepThen(ctx child.Context, d time.Duration, err error) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	if child.Sleep(ctx, d) {
		return nil
	}
	return err
}

func TestAShardThatIsDoneStaysClaimed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		done := func(ctx child.Context) error { return child.ErrDone }
		x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: poisoned(5, done), HoldDown: time.Hour}, supervisor.Spec{})
		after(settled)
		y := shardMember(t, e, b, "y", gate.ShardsSpec{HoldDown: time.Hour}, supervisor.Spec{})
		after(time.Minute)
		require.Equal(t, []int{12, 0}, held(x, y))
		require.Equal(t, 12, b.started())
		require.NoError(t, x.root.Health())
		require.NoError(t, x.root.Stop(context.Background()))
		after(settled)
		require.Equal(t, []int{0, 12}, held(x, y))
		require.Equal(t, 24, b.started(), "the next member runs it again")
	})
}

func TestAShardThatReturnsNilIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		ends := func(ctx child.Context) error { return sleepThen(ctx, time.Second, nil) }
		x := shardMember(t, e, b, "x", gate.ShardsSpec{N: 1, Run: poisoned(0, ends), Backoff: child.Constant(time.Second)}, supervisor.Spec{})
		y := shardMember(t, e, b, "y", gate.ShardsSpec{N: 1, Run: poisoned(0, ends), Backoff: child.Constant(time.Second)}, supervisor.Spec{})
		after(10 * time.Minute)
		require.InDelta(t, 300, b.started(), 10)
		require.Zero(t, x.shards.State().Moved+y.shards.State().Moved, "that is no failure")
	})
}

func TestEscalateEndsAllShardsOfTheMember(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		var once sync.Once
		escalates := func(ctx child.Context) (err error) {
			once.Do(func() { err = child.Escalate(errBoom) })
			if err == nil {
				err = idle(ctx)
			}
			return err
		}
		x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: poisoned(5, escalates)}, supervisor.Spec{Backoff: child.Constant(time.Second)})
		after(settled)
		require.Equal(t, 1, x.feeds(t).Restarts)
		require.ErrorIs(t, x.feeds(t).LastError, errBoom)
		after(2 * ttl)
		require.Len(t, x.shards.Held(), 12)
	})
}

func TestARunThatIsNoFunctionIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for what, run := range map[string]func(int) func(child.Context) error{
			"ShardsSpec.Run returned nil for shard 0": func(int) func(child.Context) error { return nil },
			"panic: no": func(int) func(child.Context) error { panic("no") },
		} {
			feeds := gate.NewShards(gate.ShardsSpec{Name: "x", N: 1, Elector: gate.Alone(), Run: run})
			root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
			require.NoError(t, root.Start(t.Context()))
			after(0)
			st, _ := root.Lookup("/root/feeds/shards/0")
			require.ErrorContains(t, st.LastError, what)
			require.NoError(t, root.Stop(context.Background()))
		}
	})
}

// What a shard has started below itself may run on after the shard has returned. Nobody else
// gets the shard before that has ended.
func TestAShardIsHandedOverOnlyWhenEverythingBelowItHasReturned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		release := make(chan struct{})
		var below atomic.Int64
		stuck := func(ctx child.Context) error {
			inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "below", StopTimeout: time.Second, Run: func(ctx child.Context) error {
				below.Add(1)
				defer below.Add(-1)
				err := idle(ctx)
				<-release
				return err
			}}}})
			return inner.Run(ctx)
		}
		x := shardMember(t, e, b, "x", gate.ShardsSpec{N: 2, Run: func(int) func(child.Context) error { return stuck }}, supervisor.Spec{})
		after(settled)
		y := shardMember(t, e, b, "y", gate.ShardsSpec{N: 2, Run: func(int) func(child.Context) error {
			return func(ctx child.Context) error {
				if below.Load() == 2 {
					t.Error("both runs of x are still there")
				}
				return idle(ctx)
			}
		}}, supervisor.Spec{})
		after(moved)
		require.Equal(t, []int{1, 0}, held(x, y), "it has returned, but not all of it")
		require.Equal(t, 1, b.running())
		where := must(x.shards.Where(t.Context()))
		require.Equal(t, []string{"x", "x"}, []string{where[0].ID, where[1].ID})
		close(release)
		after(settled)
		require.Equal(t, []int{1, 1}, held(x, y))
	})
}

func TestAnOperatorCanRestartAndStopAShard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		x := shardMember(t, e, b, "x", gate.ShardsSpec{N: 2}, supervisor.Spec{})
		y := shardMember(t, e, b, "y", gate.ShardsSpec{N: 2}, supervisor.Spec{})
		after(settled)
		mine := x.shards.Held()[0]
		require.NoError(t, x.root.RestartChild(t.Context(), x.shard(mine)))
		require.Equal(t, 3, b.started())
		require.NoError(t, x.root.StopChild(t.Context(), x.shard(mine)))
		after(10 * time.Minute)
		require.Equal(t, 1, b.running(), "nobody runs what an operator has stopped")
		require.NoError(t, x.root.Stop(context.Background()))
		after(settled)
		require.Equal(t, []int{0, 1}, y.shards.Held())
	})
}

var errEngine = errors.New("the engine is broken")

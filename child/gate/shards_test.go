package gate_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// settled is long enough for members to claim what is free, and moved for the moves after
// that.
const (
	settled = ttl / 2
	moved   = ttl + 2*time.Minute
)

func TestAloneRunsAllShardsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		feeds := gate.NewShards(gate.ShardsSpec{
			Name: groupName, N: 64, Elector: gate.Alone(),
			Run: func(int) func(child.Context) error { return idle },
		})
		require.Nil(t, feeds.Held())
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
		require.NoError(t, root.Start(t.Context()))
		after(0)
		require.Len(t, feeds.Held(), 64)
		require.True(t, slices.IsSorted(feeds.Held()))
		require.Empty(t, gate.Running(root), "it is no gate")
		require.NoError(t, root.Health())
		st, _ := root.Lookup("/shop/feeds")
		require.Equal(t, "64 of 64 shards, 1 member", st.Text)
		_, ok := root.Lookup("/shop/feeds/shards/17")
		require.True(t, ok, "each shard is a child by its number")
		where, err := feeds.Where(t.Context())
		require.NoError(t, err)
		require.Len(t, where, 64)
		require.Equal(t, "this process", where[17].ID)
		require.NoError(t, root.Stop(context.Background()))
		require.Empty(t, feeds.Held())
		where, err = feeds.Where(t.Context())
		require.NoError(t, err)
		require.Equal(t, make([]gate.Holder, 64), where, "nobody has any")
	})
}

func TestMembersThatStartTogetherShareAlikeWithoutAMove(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		x, y, z := shardMember(t, e, b, "x", gate.ShardsSpec{}, supervisor.Spec{}), shardMember(t, e, b, "y", gate.ShardsSpec{}, supervisor.Spec{}), shardMember(t, e, b, "z", gate.ShardsSpec{}, supervisor.Spec{})
		after(settled)
		require.Equal(t, []int{4, 4, 4}, held(x, y, z))
		require.Equal(t, 12, b.started())
		require.Equal(t, "4 of 12 shards, 3 members", x.feeds(t).Text)
		after(10 * time.Minute)
		require.Equal(t, 12, b.started(), "nothing moves when nothing changes")
		state := x.shards.State()
		require.True(t, state.Membership.Open)
		require.Equal(t, []any{4, 3, 0, false, uint64(1)}, []any{state.Held, state.Members, state.Moved, state.Leaving, state.Membership.Wins})
	})
}

func TestAMemberThatJoinsGetsItsPartSlowly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		spec := gate.ShardsSpec{N: 40, MovesPerMinute: 10}
		x := shardMember(t, e, b, "x", spec, supervisor.Spec{})
		after(settled)
		y := shardMember(t, e, b, "y", spec, supervisor.Spec{})
		after(ttl - time.Second)
		require.Equal(t, []int{40, 0}, held(x, y), "it may go again")
		after(time.Second + time.Minute)
		require.InDelta(t, 10, len(y.shards.Held()), 2)
		after(2 * time.Minute)
		require.Equal(t, []int{20, 20}, held(x, y))
		require.Equal(t, 60, b.started(), "20 have moved, each once")
		require.Equal(t, 20, x.shards.State().Moved)
	})
}

func TestALeaverHandsOverEachShardAsItStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		slow := func(shard int) func(child.Context) error { // shard n takes 100 n ms to stop
			return func(ctx child.Context) error {
				err := idle(ctx)
				time.Sleep(time.Duration(shard) * 100 * time.Millisecond)
				return err
			}
		}
		x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: slow}, supervisor.Spec{})
		after(settled)
		y := shardMember(t, e, b, "y", gate.ShardsSpec{HoldDown: time.Hour}, supervisor.Spec{})
		after(settled)
		stopped := make(chan error, 1)
		go func() { stopped <- x.root.Stop(context.Background()) }()
		for n := range 12 {
			after(50 * time.Millisecond)
			require.Len(t, y.shards.Held(), n+1, "the others still stop")
			require.Equal(t, 12, b.running())
			after(50 * time.Millisecond)
		}
		require.NoError(t, <-stopped)
		require.Equal(t, "12 of 12 shards, 1 member", y.feeds(t).Text)
	})
}

func TestTheShardsOfAMemberThatIsGoneAreTakenAfterTheTerm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		causes := make(chan error, 100)
		x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: func(int) func(child.Context) error { return guarding(causes) }}, supervisor.Spec{})
		y := shardMember(t, e, b, "y", gate.ShardsSpec{}, supervisor.Spec{})
		after(settled)
		require.Equal(t, []int{6, 6}, held(x, y))
		x.Cut(true)
		after(ttl)
		require.Empty(t, x.shards.Held(), "they have stopped before the lease could end")
		require.Len(t, causes, 6)
		require.ErrorIs(t, <-causes, gate.ErrLost)
		after(ttl / 4)
		require.Equal(t, []int{0, 12}, held(x, y))
		restarts := x.feeds(t).Restarts
		x.Cut(false)
		after(2*ttl + moved)
		require.Equal(t, []int{6, 6}, held(x, y), "it is a member again, in the same run")
		require.Equal(t, restarts, x.feeds(t).Restarts)
	})
}

func TestShardsStopWithinStopWithinWhenTheLeaseIsInDanger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		b.two = true
		release := make(chan struct{})
		var late []error
		var mu sync.Mutex
		x := shardMember(t, e, b, "x", gate.ShardsSpec{
			N: 3,
			Run: func(shard int) func(child.Context) error {
				return func(ctx child.Context) error {
					err := idle(ctx)
					if shard == 1 {
						<-release
					}
					return err
				}
			},
			Late: func(err error) {
				mu.Lock()
				defer mu.Unlock()
				late = append(late, err)
			},
		}, supervisor.Spec{})
		after(settled)
		e.Away(true)
		after(ttl)
		mu.Lock()
		require.Len(t, late, 1)
		require.ErrorContains(t, late[0], "/shop/feeds: the lease with token")
		require.ErrorContains(t, late[0], "this has not stopped: /x/feeds/shards/1")
		mu.Unlock()
		e.Away(false)
		after(3 * ttl)
		// The engine has given all shards to somebody else: here to the same process. The late
		// run of shard 1 is still there.
		require.Equal(t, []int{0, 1, 2}, x.shards.Held())
		require.Equal(t, gate.Holder{ID: "x", Token: b.tokens[0]}, must(x.shards.Where(t.Context()))[0])
		close(release)
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestADrainHandsOverAndAStopWaitsItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		causes := make(chan error, 100)
		x := shardMember(t, e, b, "x", gate.ShardsSpec{Run: func(int) func(child.Context) error { return guarding(causes) }},
			supervisor.Spec{Drain: time.Minute})
		y := shardMember(t, e, b, "y", gate.ShardsSpec{}, supervisor.Spec{})
		after(settled)
		stopped := make(chan error, 1)
		go func() { stopped <- x.root.Stop(context.Background()) }()
		after(time.Second)
		require.Equal(t, []int{0, 12}, held(x, y))
		require.ErrorIs(t, <-causes, gate.ErrMoved)
		require.Equal(t, "has handed over its shards", x.feeds(t).Text)
		require.True(t, x.shards.State().Leaving)
		after(30 * time.Second)
		require.Equal(t, []int{0, 12}, held(x, y), "it takes nothing any more")
		require.NoError(t, <-stopped)
	})
}

func TestShardsStopAfterTheChildrenThatWereDeclaredLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		var order []string
		var mu sync.Mutex
		note := func(what string) func(child.Context) error {
			return func(ctx child.Context) error {
				err := idle(ctx)
				time.Sleep(time.Second)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, what)
				return err
			}
		}
		x := shardMember(t, e, b, "x", gate.ShardsSpec{N: 1, Run: func(int) func(child.Context) error { return note("shard") }},
			supervisor.Spec{Children: []child.Spec{{Name: "web", Run: note("web")}}})
		after(settled)
		require.NoError(t, x.root.Stop(context.Background()))
		require.Equal(t, []string{"web", "shard"}, order)
	})
}

func TestAMemberWithAnotherLayoutWaitsAndSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		old := shardMember(t, e, b, "old", gate.ShardsSpec{N: 8, Layout: 1}, supervisor.Spec{})
		after(settled)
		next := newBoard(t) // its shards mean something else
		waits := shardMember(t, e, next, "waits", gate.ShardsSpec{N: 16, Layout: 1}, supervisor.Spec{})
		version := shardMember(t, e, next, "version", gate.ShardsSpec{N: 8, Layout: 2}, supervisor.Spec{})
		after(10 * time.Minute)
		require.Equal(t, []int{8, 0, 0}, held(old, waits, version))
		require.NoError(t, waits.root.Health())
		require.Equal(t, "standby, until the members with 8 shards, layout 1 have gone; this one has 16 shards, layout 1", waits.feeds(t).Text)
		require.Equal(t, gate.Layout{Shards: 8, Version: 1}, waits.shards.State().Other)
		require.Len(t, must(waits.shards.Where(t.Context())), 8, "that of the group")
		require.NoError(t, version.root.Stop(context.Background()))
		require.NoError(t, old.root.Stop(context.Background()))
		after(settled)
		require.Len(t, waits.shards.Held(), 16)
		require.Equal(t, "16 of 16 shards, 1 member", waits.feeds(t).Text)
		require.Zero(t, waits.shards.State().Other)
	})
}

func TestTheContextOfAShardHasItsLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, b := gatetest.NewEngine(), newBoard(t)
		names := make(chan []string, 1)
		x := shardMember(t, e, b, "x", gate.ShardsSpec{N: 1, Run: func(int) func(child.Context) error {
			inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "below", Run: func(ctx child.Context) error {
				var all []string
				for name := range gate.Leases(ctx) {
					all = append(all, name)
				}
				names <- all
				return idle(ctx)
			}}}})
			return inner.Run
		}}, supervisor.Spec{})
		after(settled)
		require.Equal(t, []string{"/shop/feeds/0", "/shop/feeds"}, <-names)
		first := b.tokens[0]
		x.Cut(true)
		after(2 * ttl)
		x.Cut(false)
		after(ttl)
		<-names
		require.Greater(t, b.tokens[0], first)
	})
}

func TestProblemsOfAShardsSpecAreTheErrorOfTheFirstStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range []struct {
			spec gate.ShardsSpec
			want string
		}{
			{gate.ShardsSpec{}, "N: must be positive: 0"},
			{gate.ShardsSpec{}, "Name: empty"},
			{gate.ShardsSpec{}, "Run: nil"},
			{gate.ShardsSpec{}, "Elector: nil"},
			{gate.ShardsSpec{N: 1 << 20}, "N: more than 65536: 1048576"},
			{gate.ShardsSpec{N: 1, Name: string(make([]byte, 250))}, "Name: longer than 249 bytes"},
			{gate.ShardsSpec{N: 1, Layout: -1}, "Layout: must be between 0 and 2147483647: -1"},
			{gate.ShardsSpec{N: 1, MovesPerMinute: -1}, "MovesPerMinute: negative"},
			{gate.ShardsSpec{N: 1, HoldDown: -1}, "HoldDown: negative"},
			{gate.ShardsSpec{N: 1, Elector: gate.Flag(0, nil)}, "Elector: *gate.flag is no gate.Sharder, so it cannot hold shards; use Alone, sqlgate or etcdgate"},
			{gate.ShardsSpec{N: 1, Elector: gatetest.NewEngine().Member("x", ttl), StopWithin: time.Hour}, "StopWithin: what is guarded might not stop"},
		} {
			feeds := gate.NewShards(c.spec)
			err := feeds.Run(child.FromContext(t.Context()))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, c.spec.Validate(), c.want)
			_, err = feeds.Where(t.Context())
			require.ErrorContains(t, err, c.want)
		}
		require.EqualError(t, gate.NewShards(gate.ShardsSpec{}).Run(nil), "gate: nil context")
		var zero gate.Shards
		require.ErrorContains(t, zero.Run(child.FromContext(t.Context())), "Elector: nil")
		require.Nil(t, zero.Held())
		require.Zero(t, zero.State())
		require.Equal(t, gate.Spec{Elector: gatetest.NewEngine().Member("x", ttl)}.Terms(), gate.ShardsSpec{Elector: gatetest.NewEngine().Member("x", ttl)}.Terms())
	})
}

func TestShardsThatRunTwiceAreAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		feeds := gate.NewShards(gate.ShardsSpec{Name: "x", N: 1, Elector: gate.Alone(), Run: func(int) func(child.Context) error { return idle }})
		root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: feeds.Run}, {Name: "b", Run: feeds.Run}}})
		require.ErrorContains(t, root.Start(t.Context()), "it runs already")
	})
}

func TestWhatTheEngineAnswersToWhereIsTheError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		m := e.Member("x", ttl)
		feeds := gate.NewShards(gate.ShardsSpec{Name: "x", N: 1, Elector: m, Run: func(int) func(child.Context) error { return idle }})
		where, err := feeds.Where(t.Context())
		require.NoError(t, err)
		require.Nil(t, where, "nobody has ever joined")
		var none context.Context
		_, err = feeds.Where(none)
		require.EqualError(t, err, "gate: nil context")
		m.Cut(true)
		_, err = feeds.Where(t.Context())
		require.True(t, errors.Is(err, gatetest.ErrUnreachable))
	})
}

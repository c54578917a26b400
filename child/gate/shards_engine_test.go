package gate_test

import (
	"context"
	"fmt"
	"math"
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

// An odd engine is one whose answers the test changes.
type odd struct {
	gate.Sharder
	writes atomic.Int64
	mu     sync.Mutex
	watch  func(gate.GroupView, error) (gate.GroupView, error)
	claim  func(map[int]gate.Lease, error) (map[int]gate.Lease, error)
	join   func(gate.Membership, error) (gate.Membership, error)
}

func (o *odd) set(f func(o *odd)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(o)
}

func (o *odd) Join(ctx context.Context, group string, l gate.Layout) (gate.Membership, error) {
	m, err := o.Sharder.Join(ctx, group, l)
	o.writes.Add(1)
	o.mu.Lock()
	join := o.join
	o.mu.Unlock()
	if join != nil {
		return join(m, err)
	}
	return &oddMember{m, o}, err
}

func (o *odd) Watch(ctx context.Context, group string, after int64) (gate.GroupView, error) {
	v, err := o.Sharder.Watch(ctx, group, after)
	o.mu.Lock()
	watch := o.watch
	o.mu.Unlock()
	if watch != nil {
		return watch(v, err)
	}
	return v, err
}

type oddMember struct {
	gate.Membership
	of *odd
}

func (m *oddMember) Renew(ctx context.Context) error {
	m.of.writes.Add(1)
	return m.Membership.Renew(ctx)
}

func (m *oddMember) Cede(ctx context.Context, claims []gate.ShardClaim) error {
	m.of.writes.Add(1)
	return m.Membership.Cede(ctx, claims)
}

func (m *oddMember) Claim(ctx context.Context, shards []int) (map[int]gate.Lease, error) {
	m.of.writes.Add(1)
	leases, err := m.Membership.Claim(ctx, shards)
	m.of.mu.Lock()
	claim := m.of.claim
	m.of.mu.Unlock()
	if claim != nil {
		return claim(leases, err)
	}
	return leases, err
}

func oddProcess(t *testing.T, b *board, spec gate.ShardsSpec) (*odd, *shardProcess) {
	e := gatetest.NewEngine()
	o := &odd{Sharder: e.Member("x", ttl)}
	spec.Elector = o
	return o, shardMember(t, e, b, "x", spec, supervisor.Spec{})
}

func TestWritesDependOnMembersAndNotOnShards(t *testing.T) {
	for _, shards := range []int{5, 1000} {
		bubble(t, func(t *testing.T) {
			e, b := gatetest.NewEngine(), newBoard(t)
			var all []*shardProcess
			var engines []*odd
			for i := range 5 {
				id := fmt.Sprint("m", i)
				o := &odd{Sharder: e.Member(id, ttl)}
				engines = append(engines, o)
				all = append(all, shardMember(t, e, b, id, gate.ShardsSpec{N: shards, Elector: o}, supervisor.Spec{}))
			}
			after(settled)
			for _, n := range held(all...) {
				require.Equal(t, shards/5, n)
			}
			count := func() (n int64) {
				for _, o := range engines {
					n += o.writes.Load()
				}
				return n
			}
			before := count()
			after(time.Minute)
			writes := int(count() - before)
			renewals := int(5 * time.Minute / (ttl / 6)) // a tenth more, because members spread theirs
			require.GreaterOrEqual(t, writes, renewals)
			require.LessOrEqual(t, writes, renewals*10/9+5)
			for _, p := range all {
				require.NoError(t, p.root.Stop(context.Background()))
			}
			require.Zero(t, b.running())
		})
	}
}

func TestAShardThatTheEngineHasGivenToAnotherStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBoard(t)
		causes := make(chan error, 10)
		o, x := oddProcess(t, b, gate.ShardsSpec{N: 3, Run: func(int) func(child.Context) error { return guarding(causes) }})
		after(settled)
		o.set(func(o *odd) {
			o.watch = func(v gate.GroupView, err error) (gate.GroupView, error) {
				for i := range v.Claims {
					if v.Claims[i].Shard == 1 {
						v.Claims[i].Member = "somebody else"
					}
				}
				return v, err
			}
		})
		// A second member, so that the group changes.
		m, err := o.Sharder.Join(t.Context(), groupName, gate.Layout{Shards: 3})
		require.NoError(t, err)
		after(0)
		require.Equal(t, []int{0, 2}, x.shards.Held())
		require.ErrorIs(t, <-causes, gate.ErrLost)
		require.NoError(t, m.Release(t.Context()))
	})
}

func TestAMemberThatTheGroupDoesNotHaveStopsAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBoard(t)
		causes := make(chan error, 10)
		o, x := oddProcess(t, b, gate.ShardsSpec{N: 3, Run: func(int) func(child.Context) error { return guarding(causes) }})
		after(settled)
		joins := x.shards.State().Membership.Wins
		o.set(func(o *odd) {
			o.watch = func(gate.GroupView, error) (gate.GroupView, error) {
				o.set(func(o *odd) { o.watch = nil })
				return gate.GroupView{Revision: math.MaxInt, Layout: gate.Layout{Shards: 3}}, nil
			}
		})
		m, err := o.Sharder.Join(t.Context(), groupName, gate.Layout{Shards: 3})
		require.NoError(t, err)
		after(0)
		require.ErrorIs(t, <-causes, gate.ErrLost)
		require.NoError(t, m.Release(t.Context()))
		after(3 * ttl)
		require.Equal(t, joins+1, x.shards.State().Membership.Wins)
		require.Len(t, x.shards.Held(), 3)
	})
}

// Whatever an engine answers, nothing runs that was not claimed, and the process goes on.
func TestAnEngineThatAnswersNonsenseBreaksNothing(t *testing.T) {
	lease := func(leases map[int]gate.Lease) gate.Lease {
		for _, l := range leases {
			return l
		}
		return nil
	}
	for what, change := range map[string]func(o *odd){
		"a claim of what was not asked for": func(o *odd) {
			o.claim = func(l map[int]gate.Lease, err error) (map[int]gate.Lease, error) {
				if l != nil {
					l[-1], l[99], l[math.MaxInt] = lease(l), lease(l), lease(l)
				}
				return l, err
			}
		},
		"a nil lease": func(o *odd) {
			o.claim = func(l map[int]gate.Lease, err error) (map[int]gate.Lease, error) {
				for i := range l {
					l[i] = nil
				}
				return l, err
			}
		},
		"a claim that fails": func(o *odd) {
			o.claim = func(map[int]gate.Lease, error) (map[int]gate.Lease, error) { return nil, errEngine }
		},
		"a claim that panics": func(o *odd) {
			o.claim = func(map[int]gate.Lease, error) (map[int]gate.Lease, error) { panic(errEngine) }
		},
		"a watch that panics": func(o *odd) {
			o.watch = func(gate.GroupView, error) (gate.GroupView, error) { panic(errEngine) }
		},
		"a watch that shows nonsense": func(o *odd) {
			o.watch = func(v gate.GroupView, err error) (gate.GroupView, error) {
				v.Claims = append(v.Claims, gate.ShardClaim{Shard: -5, Member: "x"}, gate.ShardClaim{Shard: math.MaxInt}, gate.ShardClaim{Shard: 1, Member: "\x1b[2J\xff"})
				v.Members = append(v.Members, gate.GroupMember{}, gate.GroupMember{}, gate.GroupMember{ID: "\xff", Name: string(make([]byte, 1<<16))})
				v.Layout = gate.Layout{Shards: -1}
				return v, err
			}
		},
		"a watch that shows the same again": func(o *odd) {
			o.watch = func(v gate.GroupView, err error) (gate.GroupView, error) {
				v.Revision = 1
				return v, err
			}
		},
		"no membership and no error": func(o *odd) {
			o.join = func(m gate.Membership, err error) (gate.Membership, error) {
				_ = m.Release(context.Background())
				return nil, nil
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				e, b := gatetest.NewEngine(), newBoard(t)
				o := &odd{Sharder: e.Member("x", ttl)}
				change(o)
				x := shardMember(t, e, b, "x", gate.ShardsSpec{Elector: o, N: 3}, supervisor.Spec{})
				after(2 * time.Minute)
				require.Zero(t, x.feeds(t).Restarts)
				require.LessOrEqual(t, len(x.shards.Held()), 3)
				require.Less(t, o.writes.Load(), int64(600), "it asks at its pace")
				o.set(func(o *odd) { o.watch, o.claim, o.join = nil, nil, nil })
				after(10 * time.Minute)
				require.Len(t, x.shards.Held(), 3)
				require.NoError(t, x.root.Stop(context.Background()))
			})
		})
	}
}

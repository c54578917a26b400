package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/share"
)

// request makes a request to the engine on a goroutine of its own, and lets the loop pass
// the answer to the core. A panic or Goexit in the engine is an error.
func (m *shardsMember) request(a share.Action) {
	limit := m.shards.gate.terms.RequestTimeout
	if a.Kind == share.Look && a.After > 0 {
		limit = math.MaxInt64 // it waits for a change
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), limit)
	m.cancel = cancel
	var answer func(now time.Duration) []share.Action
	go func() {
		err := child.ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = child.Recovered(v)
			}
			m.post(func() {
				stopped := errors.Is(ctx.Err(), context.Canceled)
				cancel()
				m.cancel = nil
				m.answered(a, answer, err, stopped)
			})
		}()
		answer, err = m.call(ctx, a)
	}()
}

// call makes the request, and returns what the core is told if it has succeeded.
func (m *shardsMember) call(ctx context.Context, a share.Action) (answer func(now time.Duration) []share.Action, err error) {
	switch a.Kind {
	case share.Look:
		v, err := m.shards.sharder.Watch(ctx, m.shards.spec.Name, a.After)
		return func(now time.Duration) []share.Action { return m.core.Viewed(coreView(v), now) }, errors.Join(err, m.faultOf(v, a.After, err))
	case share.ToCede:
		claims := make([]ShardClaim, 0, len(a.Claims))
		for _, c := range a.Claims {
			claims = append(claims, ShardClaim(c))
		}
		return m.core.Ceded, m.lease.Cede(ctx, claims)
	case share.ToLeave:
		return m.core.Left, m.lease.Leave(ctx)
	}
	leases, err := m.lease.Claim(ctx, a.Shards)
	return func(now time.Duration) []share.Action {
		var got []share.Claim
		for _, i := range a.Shards { // nothing else, whatever the engine says
			if lease := leases[i]; lease != nil && m.runs[i] == nil && m.shards.gate.safe() {
				m.runs[i] = m.newShardRun(i, lease)
				got = append(got, share.Claim{Shard: i, Member: m.lease.ID(), Token: lease.Token()})
			}
		}
		return m.core.Claimed(got, now)
	}, err
}

// faultOf returns what is wrong with a view.
func (m *shardsMember) faultOf(v GroupView, after int64, err error) error {
	switch {
	case err != nil:
		return nil
	case after > 0 && v.Revision <= after:
		return fmt.Errorf("the engine shows revision %d after %d", v.Revision, after)
	case !slices.ContainsFunc(v.Members, func(x GroupMember) bool { return x.ID == m.lease.ID() }):
		return fmt.Errorf("%w: the group does not have this member any more", ErrLost)
	}
	return nil
}

// answered passes an answer to the core.
func (m *shardsMember) answered(a share.Action, answer func(now time.Duration) []share.Action, err error, stopped bool) {
	switch {
	case m.over:
		return
	case err == nil:
		m.troubled = false
		m.do(answer)
		return
	case stopped: // by the core, or because all is over
	case errors.Is(err, ErrLost):
		m.shards.gate.lose(m.lease, err)
	case !m.troubled:
		m.troubled = true
		m.ctx.OnError(err)
	}
	if a.Kind == share.Look {
		m.do(m.core.ViewFailed)
	} else {
		m.do(m.core.RequestFailed)
	}
}

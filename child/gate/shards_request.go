package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/share"
)

// An answer is what the engine has answered to a request.
type answer struct {
	view   share.View
	leases map[int]Lease
	got    []share.Claim
}

// request makes a request to the engine on a goroutine of its own, and lets the loop pass
// the answer to the core. A panic or Goexit in the engine is an error.
func (m *shardsMember) request(a share.Action) {
	ctx, cancel := context.WithoutCancel(m.ctx), context.CancelFunc(nil)
	if a.Kind == share.Look && a.After > 0 {
		ctx, cancel = context.WithCancel(ctx) // it waits for a change
	} else {
		ctx, cancel = context.WithTimeout(ctx, m.shards.gate.terms.RequestTimeout)
	}
	m.cancel = cancel
	var to answer
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
				if !m.over {
					m.answered(a, to, err, stopped)
				}
			})
		}()
		to, err = m.call(ctx, a)
	}()
}

// call makes the request.
func (m *shardsMember) call(ctx context.Context, a share.Action) (to answer, err error) {
	switch a.Kind {
	case share.Look:
		v, err := m.shards.sharder.Watch(ctx, m.shards.spec.Name, a.After)
		if err == nil {
			err = m.faultOf(v, a.After)
		}
		return answer{view: coreView(v)}, err
	case share.ToCede:
		return to, m.lease.Cede(ctx, publicClaims(a.Claims))
	case share.ToLeave:
		return to, m.lease.Leave(ctx)
	}
	if to.leases, err = m.lease.Claim(ctx, a.Shards); err != nil {
		return answer{}, err
	}
	for _, i := range a.Shards { // nothing else, whatever the engine says
		if lease := to.leases[i]; lease != nil {
			to.got = append(to.got, share.Claim{Shard: i, Member: m.id, Token: lease.Token()})
		}
	}
	return to, nil
}

// faultOf returns what is wrong with a view.
func (m *shardsMember) faultOf(v GroupView, after int64) error {
	switch {
	case after > 0 && v.Revision <= after:
		return fmt.Errorf("the engine shows revision %d after %d", v.Revision, after)
	case !slices.ContainsFunc(v.Members, func(x GroupMember) bool { return x.ID == m.id }):
		return fmt.Errorf("%w: the group does not have this member any more", ErrLost)
	}
	return nil
}

// answered passes an answer to the core.
func (m *shardsMember) answered(a share.Action, to answer, err error, stopped bool) {
	if err == nil {
		m.troubled = false
		m.do(m.event(a, to))
		return
	}
	switch {
	case stopped: // by the core
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

// event returns the event of an answer. What was claimed too late does not start: the next
// view shows it, and it is ceded.
func (m *shardsMember) event(a share.Action, to answer) func(now time.Duration) []share.Action {
	switch a.Kind {
	case share.Look:
		return func(now time.Duration) []share.Action { return m.core.Viewed(to.view, now) }
	case share.ToCede:
		return m.core.Ceded
	case share.ToLeave:
		return m.core.Left
	}
	if !m.shards.gate.safe() {
		to.got = nil
	}
	m.leases = to.leases
	return func(now time.Duration) []share.Action { return m.core.Claimed(to.got, now) }
}

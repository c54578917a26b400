package gate

import (
	"context"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/share"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A shardsMember is one membership, and the shards that run under it. Its loop passes events
// to the core and carries out the actions. The gate has joined, renews the lease and stops
// all of it.
type shardsMember struct {
	shards *Shards
	ctx    child.Context // of the child "shards"
	lease  Membership
	id     string // of the lease
	base   Moment // all times of the core count from it
	sup    *supervisor.Supervisor
	up     chan struct{} // closed when the supervisor can add children

	mu   sync.Mutex // guards core
	core *share.Machine

	posted struct {
		sync.Mutex
		all []func()
	}
	wake   chan struct{}      // receives when something was posted
	cancel context.CancelFunc // of the request under way
	leases map[int]Lease      // of the shards that were claimed last
	runs   map[int]*shardRun  // of the shards that were started and have not ended
	calls  sync.WaitGroup     // of the supervisor
	over   bool               // the supervisor has ended

	troubled bool // the last request has failed, and that was reported
	shown    [2]int
}

func newShardsMember(s *Shards, ctx child.Context) *shardsMember {
	m := &shardsMember{
		shards: s, ctx: ctx, base: Now(), up: make(chan struct{}),
		wake: make(chan struct{}, 1), runs: make(map[int]*shardRun),
	}
	for _, lease := range Leases(ctx) {
		m.lease = lease.(Membership) // the innermost one
		break
	}
	m.id = m.lease.ID()
	m.core = share.New(s.spec.share(s.gate.terms), s.spec.N, m.id, 0)
	m.sup = supervisor.New(supervisor.Spec{
		Name:     shardsName,
		Strategy: strategy.Independent,
		Backoff:  s.spec.backoff(),
		Around:   m.around,
	})
	return m
}

func (m *shardsMember) now() time.Duration { return Now().since(m.base) }

// post lets the loop call f. It never blocks.
func (m *shardsMember) post(f func()) {
	m.posted.Lock()
	m.posted.all = append(m.posted.all, f)
	m.posted.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// run runs the supervisor of the shards, and the loop next to it. The loop goes on while
// they stop, and hands over each that has stopped. At the end it cancels the request under
// way: the release of the lease frees what is left.
func (m *shardsMember) run() error {
	ended, looped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looped)
		m.loop(ended)
	}()
	err := m.sup.Run(upContext{Context: m.ctx, up: sync.OnceFunc(func() { close(m.up) })})
	close(ended)
	<-looped
	return err
}

// An upContext calls up when its run is ready.
type upContext struct {
	child.Context
	up func()
}

func (c upContext) Ready() error {
	defer c.up()
	return c.Context.Ready()
}

// loop ends when the supervisor has ended and no request is under way.
func (m *shardsMember) loop(ended chan struct{}) {
	select {
	case <-m.up:
	case <-ended:
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	stopped := m.ctx.Done()
	for {
		select {
		case <-stopped:
			stopped = nil
			m.takeNoMore(false)
			for _, r := range m.runs { // nothing is restarted any more
				r.close()
			}
		case <-ended:
			m.over, ended = true, nil
		case <-m.wake:
			m.posted.Lock()
			all := m.posted.all
			m.posted.all = nil
			m.posted.Unlock()
			for _, f := range all {
				f()
			}
		case <-timer.C:
			m.do(m.core.Tick)
		}
		if !m.over {
			m.show()
			timer.Reset(m.nap())
			continue
		}
		if m.cancel == nil {
			m.calls.Wait()
			return
		}
		m.cancel()
	}
}

// nap returns how long the loop may sleep.
func (m *shardsMember) nap() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.core.Next(); ok {
		return max(0, at-m.now())
	}
	return time.Hour
}

// do passes an event to the core and carries out what it decides, unless all is over.
func (m *shardsMember) do(event func(now time.Duration) []share.Action) {
	if m.over {
		return
	}
	m.mu.Lock()
	actions := event(m.now())
	m.mu.Unlock()
	for _, a := range actions {
		switch a.Kind {
		case share.Start:
			m.start(a.Shard)
		case share.Stop:
			m.stop(a.Shard, a.Why)
		case share.CancelLook:
			m.cancel()
		default:
			m.request(a)
		}
	}
}

func (m *shardsMember) takeNoMore(handOver bool) {
	if handOver {
		m.do(m.core.Drain)
	} else {
		m.do(m.core.Closing)
	}
}

// start starts a shard that was claimed.
func (m *shardsMember) start(i int) {
	r := m.newShardRun(i, m.leases[i])
	m.runs[i] = r
	m.calls.Go(func() {
		err := m.sup.StartChild(m.ctx, r.spec())
		r.added()
		if err == nil {
			return
		}
		if m.ctx.Err() == nil && !r.stopping() {
			m.ctx.OnError(err)
		}
		r.close()
	})
}

// stop stops a shard. What its run waits for is not the end of that: something below it may
// have been abandoned.
func (m *shardsMember) stop(i int, why share.Cause) {
	r, cause := m.runs[i], ErrMoved
	if why == share.Lost {
		cause = ErrLost
	}
	r.stop(&errs.Wrap{Sentinel: child.ErrStopped, Cause: cause})
	m.calls.Go(func() {
		<-r.isAdded                                                        // otherwise there is nothing to remove yet
		_ = m.sup.RemoveChild(context.WithoutCancel(m.ctx), r.childName()) // the events of the child say what went wrong
		r.close()
	})
}

// stopped notes that nothing runs under the claim of a shard any more.
func (m *shardsMember) stopped(r *shardRun) {
	if m.runs[r.shard] == r {
		delete(m.runs, r.shard)
		m.do(func(now time.Duration) []share.Action { return m.core.Stopped(r.shard, now) })
	}
}

// show shows how many shards there are, when that has changed.
func (m *shardsMember) show() {
	now := [2]int{m.core.Running(), m.core.Members()}
	if m.shown != now {
		m.shown = now
		m.shards.gate.refresh()
	}
}

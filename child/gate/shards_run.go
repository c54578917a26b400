package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/share"
)

// A shardRun is a shard under one claim: its run, the runs after it, and everything below
// them.
type shardRun struct {
	member *shardsMember
	shard  int
	lease  Lease
	began  atomic.Int64 // when the last run began, by the clock of the member

	isAdded chan struct{} // closed when the supervisor has the child, or will never have it
	added   func()        // closes it

	mu     sync.Mutex
	runs   int
	cancel context.CancelCauseFunc // of the run of the shard itself, or nil
	why    error                   // set when the shard alone must stop
	closed bool                    // nothing may start any more
}

func (m *shardsMember) newShardRun(i int, lease Lease) *shardRun {
	r := &shardRun{member: m, shard: i, lease: lease, isAdded: make(chan struct{})}
	r.added = sync.OnceFunc(func() { close(r.isAdded) })
	return r
}

func (r *shardRun) childName() string { return strconv.Itoa(r.shard) }

func (r *shardRun) spec() child.Spec {
	return child.Spec{
		Name:        r.childName(),
		Run:         r.run,
		RetryStart:  true,
		StopTimeout: r.member.shards.gate.terms.StopWithin,
		Decide:      r.decide,
	}
}

// shardRunKey is the key of the innermost shardRun that a context belongs to.
type shardRunKey struct{}

// An inShard is a shardRun in a context.
type inShard struct {
	run   *shardRun
	outer *inShard // of a Shards further up, or nil
}

// run is the Run of the child. A shard that must stop ends when the supervisor knows that,
// because otherwise it would restart it.
func (r *shardRun) run(ctx child.Context) error {
	r.added()
	name := r.member.shards.spec.Name + "/" + r.childName()
	outer, _ := ctx.Value(shardRunKey{}).(*inShard)
	values := context.WithValue(withLease(ctx, name, r.lease), shardRunKey{}, &inShard{r, outer})
	inner, cancel := context.WithCancelCause(values)
	defer cancel(nil)
	if !r.enter(cancel) {
		return child.ErrDone
	}
	defer r.leave()
	r.began.Store(int64(r.member.now()))

	run := r.member.shards.spec.Run(r.shard)
	if run == nil {
		return fmt.Errorf("ShardsSpec.Run returned nil for shard %d", r.shard)
	}
	err := run(child.FromContext(inner))
	if r.stopping() {
		<-ctx.Done()
	}
	return err
}

// stop asks the run to stop, with a cause.
func (r *shardRun) stop(why error) {
	r.mu.Lock()
	r.why = why
	cancel := r.cancel
	r.mu.Unlock()
	if cancel != nil {
		cancel(why)
	}
}

func (r *shardRun) stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why != nil
}

// decide notes failures. It changes nothing.
func (r *shardRun) decide(err error) error {
	m := r.member
	if r.stopping() || m.ctx.Err() != nil || err == nil ||
		errors.Is(err, child.ErrDone) || errors.Is(err, child.ErrIgnore) || errors.Is(err, child.ErrShutdown) {
		return err
	}
	well := m.now()-time.Duration(r.began.Load()) >= share.Healthy
	m.post(func() {
		if m.runs[r.shard] == r {
			m.do(func(now time.Duration) []share.Action { return m.core.Failed(r.shard, well, now) })
		}
	})
	return err
}

// around is the Around of everything below the shards. It knows what has not returned, also
// of what its supervisor does not wait for. The run of a shard itself enters by itself.
func (m *shardsMember) around(ctx child.Context, run func(child.Context) error) error {
	in, _ := ctx.Value(shardRunKey{}).(*inShard)
	for ; in != nil; in = in.outer {
		if in.run.member != m {
			continue
		}
		if !in.run.enter(nil) {
			return context.Cause(ctx)
		}
		defer in.run.leave()
		break
	}
	return run(ctx)
}

// enter counts a run. That of the shard itself has a cancel, and does not begin if the shard
// must stop.
func (r *shardRun) enter(cancel context.CancelCauseFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || cancel != nil && r.why != nil {
		return false
	}
	if cancel != nil {
		r.cancel = cancel
	}
	r.runs++
	return true
}

func (r *shardRun) leave() {
	r.mu.Lock()
	r.runs--
	gone := r.closed && r.runs == 0
	r.mu.Unlock()
	if gone {
		r.gone()
	}
}

// close lets nothing start any more.
func (r *shardRun) close() {
	r.mu.Lock()
	gone := !r.closed && r.runs == 0
	r.closed = true
	r.mu.Unlock()
	if gone {
		r.gone()
	}
}

// gone says that nothing runs under the claim any more.
func (r *shardRun) gone() { r.member.post(func() { r.member.stopped(r) }) }

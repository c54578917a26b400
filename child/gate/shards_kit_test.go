package gate_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

const groupName = "/shop/feeds"

// A board notes which process runs each shard, and finds two at once.
type board struct {
	t      *testing.T
	mu     sync.Mutex
	runs   map[int]string
	tokens map[int]int64
	starts int
	two    bool // a shard may have two, because one is late
}

func newBoard(t *testing.T) *board {
	return &board{t: t, runs: make(map[int]string), tokens: make(map[int]int64)}
}

func (b *board) begin(shard int, id string, token int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other, runs := b.runs[shard]; runs && !b.two {
		b.t.Errorf("%s starts shard %d while %s runs it", id, shard, other)
	}
	if token < b.tokens[shard] {
		b.t.Errorf("shard %d: token %d after %d", shard, token, b.tokens[shard])
	}
	b.runs[shard], b.tokens[shard] = id, token
	b.starts++
}

func (b *board) end(shard int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.runs, shard)
}

func (b *board) started() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.starts
}

func (b *board) running() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.runs)
}

// A shardProcess is a root with Shards as its child feeds, and another child.
type shardProcess struct {
	*gatetest.Member
	id     string
	shards *gate.Shards
	root   *supervisor.Supervisor
	board  *board
}

// shardMember starts a process on a new member of an engine. What spec does not say has a
// default: 12 shards that are idle.
func shardMember(t *testing.T, e *gatetest.Engine, b *board, id string, spec gate.ShardsSpec, root supervisor.Spec) *shardProcess {
	t.Helper()
	p := &shardProcess{Member: e.Member(id, ttl), id: id, board: b}
	if spec.Elector == nil {
		spec.Elector = p.Member
	}
	if spec.N == 0 {
		spec.N = 12
	}
	spec.Name = groupName
	run := spec.Run
	if run == nil {
		run = func(int) func(child.Context) error { return idle }
	}
	spec.Run = func(shard int) func(child.Context) error { return p.watched(shard, run(shard)) }
	if spec.Late == nil {
		spec.Late = func(err error) { t.Errorf("late: %v", err) }
	}
	p.shards = gate.NewShards(spec)
	root.Name = id
	root.Children = append([]child.Spec{{Name: "feeds", Run: p.shards.Run}}, root.Children...)
	p.root = testkit.Root(t, root)
	require.NoError(t, p.root.Start(t.Context()))
	synctest.Wait()
	return p
}

// watched notes a run on the board.
func (p *shardProcess) watched(shard int, run func(child.Context) error) func(child.Context) error {
	return func(ctx child.Context) error {
		token, ok := gate.Token(ctx)
		if !ok {
			return gate.ErrNoLease
		}
		p.board.begin(shard, p.id, token)
		defer p.board.end(shard)
		return run(ctx)
	}
}

func (p *shardProcess) feeds(t *testing.T) child.Status {
	t.Helper()
	st, ok := p.root.Lookup("feeds")
	require.True(t, ok)
	return st
}

func (p *shardProcess) shard(i int) string { return fmt.Sprintf("/%s/feeds/shards/%d", p.id, i) }

// held returns how many shards each process runs.
func held(all ...*shardProcess) (n []int) {
	for _, p := range all {
		n = append(n, len(p.shards.Held()))
	}
	return n
}

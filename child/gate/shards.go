package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coppice-go/coppice/child"
)

// A Shards is a child that runs some of N shards, and shares the others with the members
// of its group in other processes. Make it with NewShards and set child.Spec.Run to its Run
// method. All methods may be called from any goroutine.
type Shards struct {
	spec    ShardsSpec
	sharder Sharder
	gate    *Gate // keeps the membership

	mu       sync.Mutex
	member   *shardsMember // the membership, or nil
	other    Layout        // of the members that it waits for; zero: none
	closing  bool          // this run takes no more shards
	handOver bool          // this run hands over all that it has
}

// NewShards makes a Shards. It cannot fail: Run returns the problems of the spec. Terms of
// the elector count as they are now.
func NewShards(spec ShardsSpec) *Shards {
	s := &Shards{spec: spec}
	s.sharder, _ = spec.Elector.(Sharder)
	var e Elector
	if spec.Elector != nil {
		e = membershipElector{s}
	}
	s.gate = New(spec.gate(e, s.run))
	s.gate.shards = s
	return s
}

// Run joins the group, and is ready at once, so that a process that waits is healthy. It
// runs its part of the shards until ctx ends. It returns
//
//   - nil, or what went wrong with the stop, when ctx ends,
//   - the error of a shard that escalates, or
//   - an error before it is ready, if the spec is invalid or the Shards runs already.
//
// When ctx ends, each shard is handed over as soon as it has stopped. Before Run returns, it
// has left the group, unless the lease was lost, or something has not stopped. Then the
// lease ends with its term.
func (s *Shards) Run(ctx child.Context) error {
	if ctx == nil {
		return errors.New("gate: nil context")
	}
	if err := s.spec.Validate(); err != nil {
		return err
	}
	return s.gate.Run(ctx)
}

// begin begins a run.
func (s *Shards) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing, s.handOver, s.other = false, false, Layout{}
}

// Held returns the numbers of the shards that this member has claimed and started, and has
// not been asked to stop, in order. One that waits for its restart is there, and one that
// has returned child.ErrDone.
func (s *Shards) Held() []int {
	m := s.current()
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Held()
}

func (s *Shards) current() *shardsMember {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.member
}

// A ShardsState is what a Shards knows of itself.
type ShardsState struct {
	Membership State  // its lease: Open means that it is a member; Wins counts how many times it has joined
	Held       int    // how many shards Held returns
	Members    int    // of the group, as it was last seen
	Moved      int    // how many running shards this member has moved to others since it has joined
	Leaving    bool   // it takes no more shards: its process drains, or stops
	Other      Layout // the layout of the members for which it waits; zero: it does not wait
}

// State returns what the Shards knows of itself.
func (s *Shards) State() ShardsState {
	if s.gate == nil { // a zero Shards
		return ShardsState{}
	}
	state := s.gate.State()
	return s.stateAt(&state)
}

func (s *Shards) stateAt(membership *State) ShardsState {
	s.mu.Lock()
	all := ShardsState{Membership: *membership, Other: s.other, Leaving: s.closing}
	m := s.member
	s.mu.Unlock()
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		all.Held, all.Members, all.Moved = m.core.Running(), m.core.Members(), m.core.Moved()
	}
	return all
}

// Where asks the engine which member has each shard. The shard's number is the index. A
// shard that nobody has is the zero Holder. A Shards that does not run can ask, too. The
// result is as long as the layout of the group, which may be another than that of this
// Shards; it is nil if nobody has ever joined.
func (s *Shards) Where(ctx context.Context) ([]Holder, error) {
	if ctx == nil {
		return nil, errors.New("gate: nil context")
	}
	if err := s.spec.Validate(); err != nil {
		return nil, err
	}
	v, err := s.sharder.Watch(ctx, s.spec.Name, 0)
	if err != nil || v.Layout.Shards <= 0 {
		return nil, err
	}
	names := make(map[string]string, len(v.Members))
	for _, m := range v.Members {
		names[m.ID] = m.Name
	}
	where := make([]Holder, min(v.Layout.Shards, MostShards))
	for _, c := range v.Claims {
		if name, ok := names[c.Member]; ok && c.Shard >= 0 && c.Shard < len(where) {
			where[c.Shard] = Holder{ID: name, Token: c.Token}
		}
	}
	return where, nil
}

func (s *Shards) layout() Layout { return Layout{s.spec.N, s.spec.Layout} }

// waitsFor notes that the members have another layout.
func (s *Shards) waitsFor(l Layout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other = l
}

// draining lets this run take no more shards, and perhaps hand over all.
func (s *Shards) draining(handOver bool) {
	s.mu.Lock()
	s.closing, s.handOver = true, s.handOver || handOver
	m := s.member
	s.mu.Unlock()
	if m != nil {
		m.post(func() { m.takeNoMore(handOver) })
	}
}

// run runs the shards under one membership.
func (s *Shards) run(ctx child.Context) error {
	m := newShardsMember(s, ctx)
	s.mu.Lock()
	s.member, s.other = m, Layout{}
	closing, handOver := s.closing, s.handOver
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.member == m {
			s.member = nil
		}
	}()
	if closing {
		m.post(func() { m.takeNoMore(handOver) })
	}
	return m.run()
}

// text returns the status text.
func (s *Shards) text(membership *State) string {
	all := s.stateAt(membership)
	switch {
	case membership.Open && all.Leaving && all.Held == 0:
		return "has handed over its shards"
	case membership.Open && all.Leaving:
		return fmt.Sprintf("hands over %d of %d shards", all.Held, s.spec.N)
	case membership.Open:
		return fmt.Sprintf("%d of %d shards, %s", all.Held, s.spec.N, members(all.Members))
	case membership.Token != 0:
		return "stops its shards"
	case all.Other != Layout{} && membership.EngineErr == nil:
		return fmt.Sprintf("standby, until the members with %v have gone; this one has %v", all.Other, s.layout())
	}
	return membership.text()
}

func members(n int) string {
	if n == 1 {
		return "1 member"
	}
	return fmt.Sprintf("%d members", n)
}

// String returns such as "64 shards, layout 1".
func (l Layout) String() string { return fmt.Sprintf("%d shards, layout %d", l.Shards, l.Version) }

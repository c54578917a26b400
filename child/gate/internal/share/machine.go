// Package share decides which shards a member of a group runs. Like package core it has no
// goroutine, clock, channel, lock or log. It takes events and returns actions.
//
// A shard, as one member sees it:
//
//	       Claim             Claimed             Stop             Stopped
//	none --------> claiming ---------> running --------> stopping ---------> stopped
//	  ^               |                                                         |
//	  +<--------------+ another has it                                     Cede |
//	  ^                                                                         v
//	  +<------------------------------------------------------- Ceded ------ ceding
//
// A shard that was to be ceded never runs under the same claim again, since the engine may
// carry out a request whose answer was lost. It must be claimed again.
//
// At most one request to the engine is under way at a time, so what was seen is never older
// than what was done. All requests are answered, also after they were cancelled.
package share

import (
	"math"
	"slices"
	"time"
)

// A Kind is something that the shell must do.
type Kind uint8

const (
	Look       Kind = iota + 1 // wait for a view with a revision above After: answered by Viewed or ViewFailed
	CancelLook                 // the look under way, which is answered nevertheless
	ToClaim                    // Shards: answered by Claimed or RequestFailed
	ToCede                     // Claims: answered by Ceded or RequestFailed
	ToLeave                    // answered by Left or RequestFailed
	Start                      // the run of a shard
	Stop                       // the run of a shard, because of Why: answered by Stopped
)

// A Cause is why a shard stops.
type Cause uint8

const (
	Moves Cause = iota // to another member
	Lost               // the engine says that the claim has ended
)

// An Action is what the shell must do.
type Action struct {
	Kind   Kind
	After  int64
	Shards []int
	Claims []Claim
	Shard  int
	Why    Cause
}

type phase uint8

const (
	none phase = iota
	claiming
	running
	stopping
	stopped // nothing runs under the claim any more
	ceding
)

// A shard is what a member knows of one.
type shard struct {
	phase     phase
	token     int64
	fails     int // in a row
	freeSince time.Duration
	rest      time.Duration // not claimed before that, because it failed here
	rests     int           // in a row
}

// A Machine is one membership. Times count from any fixed moment.
type Machine struct {
	terms Terms
	id    string
	now   time.Duration

	line      Kind          // the request under way; zero: none
	cut       bool          // it was cancelled
	pause     time.Duration // no request before that
	claimFrom time.Duration // no claim before that: the last one got nothing
	stale     bool          // something was requested since the last view
	closing   bool          // it takes no more shards
	drain     bool          // it hands over all that it has
	left      bool          // it has told the others

	joined  time.Duration
	changed time.Duration // when the members were last seen to change
	pace    pace
	moved   int

	seen     bool
	revision int64
	ids      []string // of the members that take shards
	seeds    []uint64
	me       int32    // its place there, or Nobody
	members  int      // all of them
	owner    []string // the ID of the owner of each shard
	tokens   []int64

	shards []shard
	plan   []int32 // nil: make a new one
	givers int     // how many members give up shards in it
	acts   []Action
}

// New returns the machine of a membership that has just begun.
func New(terms Terms, shards int, id string, now time.Duration) *Machine {
	return &Machine{
		terms: terms, id: id, now: now, joined: now, changed: now, stale: true, me: Nobody,
		shards: make([]shard, shards), owner: make([]string, shards), tokens: make([]int64, shards),
	}
}

// Held returns the shards that run.
func (m *Machine) Held() (held []int) {
	for i := range m.shards {
		if m.shards[i].phase == running {
			held = append(held, i)
		}
	}
	return held
}

// Running returns how many shards run.
func (m *Machine) Running() (n int) {
	for i := range m.shards {
		if m.shards[i].phase == running {
			n++
		}
	}
	return n
}

// Members returns how many members the group had when it was last seen.
func (m *Machine) Members() int { return m.members }

// Moved returns how many shards were moved to other members.
func (m *Machine) Moved() int { return m.moved }

func (m *Machine) enter(now time.Duration) {
	m.now = max(m.now, now)
	m.acts = nil
}

func (m *Machine) do(a Action) { m.acts = append(m.acts, a) }

func (m *Machine) leave() []Action {
	m.review()
	m.request()
	return m.acts
}

// Tick says that time has passed. It starts the member, too.
func (m *Machine) Tick(now time.Duration) []Action {
	m.enter(now)
	return m.leave()
}

// Viewed answers Look.
func (m *Machine) Viewed(v View, now time.Duration) []Action {
	m.enter(now)
	m.line, m.cut, m.stale = 0, false, false
	m.note(v)
	return m.leave()
}

// ViewFailed answers Look.
func (m *Machine) ViewFailed(now time.Duration) []Action {
	m.enter(now)
	if !m.cut {
		m.pause = m.now + m.terms.Retry
	}
	m.line, m.cut = 0, false
	return m.leave()
}

// note takes over what was seen.
func (m *Machine) note(v View) {
	before, first := m.ids, !m.seen
	m.seen, m.revision, m.plan = true, v.Revision, nil
	m.ids, m.seeds, m.me, m.members = nil, nil, Nobody, len(v.Members)
	for _, x := range v.Members {
		if x.Leaving || x.ID == m.id && m.closing {
			continue
		}
		if x.ID == m.id {
			m.me = int32(len(m.ids))
		}
		m.ids, m.seeds = append(m.ids, x.ID), append(m.seeds, Seed(x.Name))
	}
	if !slices.Equal(before, m.ids) {
		m.changed = m.now
	}
	was := m.owner
	m.owner, m.tokens = make([]string, len(was)), make([]int64, len(was))
	for _, c := range v.Claims {
		if c.Shard >= 0 && c.Shard < len(m.owner) {
			m.owner[c.Shard], m.tokens[c.Shard] = c.Member, c.Token
		}
	}
	for i := range m.shards {
		if m.owner[i] == "" && (was[i] != "" || first) {
			m.shards[i].freeSince = m.now
		}
		m.compare(i)
	}
}

// compare compares what the engine says of a shard with what the member does. A claim of
// which it does not know is one whose answer was lost.
func (m *Machine) compare(i int) {
	s := &m.shards[i]
	ours := m.owner[i] == m.id
	switch {
	case ours && s.phase == none:
		s.phase, s.token = stopped, m.tokens[i]
	case ours && s.phase == stopped:
		s.token = m.tokens[i]
	case ours && s.token == m.tokens[i]:
	case s.phase == running:
		m.stop(i, Lost)
	case s.phase == stopped: // there is nothing to cede any more
		s.phase = none
	}
}

// stop stops a shard.
func (m *Machine) stop(i int, why Cause) {
	m.shards[i].phase, m.plan = stopping, nil
	m.do(Action{Kind: Stop, Shard: i, Why: why})
}

// Claimed answers ToClaim with the shards that the member got.
func (m *Machine) Claimed(got []Claim, now time.Duration) []Action {
	m.enter(now)
	m.requested()
	if len(got) == 0 {
		m.claimFrom = m.now + m.terms.Retry
	}
	for _, c := range got {
		if c.Shard < 0 || c.Shard >= len(m.shards) || m.shards[c.Shard].phase != none {
			continue
		}
		s := &m.shards[c.Shard]
		s.token, s.fails = c.Token, 0
		if m.closing {
			s.phase = stopped
			continue
		}
		s.phase = running
		m.do(Action{Kind: Start, Shard: c.Shard})
	}
	return m.leave()
}

// Ceded answers ToCede.
func (m *Machine) Ceded(now time.Duration) []Action {
	m.enter(now)
	for i := range m.shards {
		if s := &m.shards[i]; s.phase == ceding {
			s.phase = none
		}
	}
	m.requested()
	return m.leave()
}

// Left answers ToLeave.
func (m *Machine) Left(now time.Duration) []Action {
	m.enter(now)
	m.left = true
	m.requested()
	return m.leave()
}

// RequestFailed answers a request other than Look. It is not known what became of it.
func (m *Machine) RequestFailed(now time.Duration) []Action {
	m.enter(now)
	m.requested()
	m.pause = m.now + m.terms.Retry
	return m.leave()
}

// requested ends a request.
func (m *Machine) requested() {
	m.line, m.stale, m.plan = 0, true, nil
	for i := range m.shards {
		switch s := &m.shards[i]; s.phase {
		case claiming:
			s.phase = none
		case ceding:
			s.phase = stopped
		}
	}
}

// Stopped says that nothing runs under the claim of a shard any more.
func (m *Machine) Stopped(i int, now time.Duration) []Action {
	m.enter(now)
	switch s := &m.shards[i]; s.phase {
	case running: // it could not be started
		m.restFrom(i)
		s.phase, m.plan = stopped, nil
	case stopping:
		s.phase, m.plan = stopped, nil
	}
	return m.leave()
}

// Failed says that the run of a shard has failed, and whether it had been well for long
// enough.
func (m *Machine) Failed(i int, well bool, now time.Duration) []Action {
	m.enter(now)
	if s := &m.shards[i]; s.phase == running {
		if well {
			s.fails = 0
		}
		s.fails++
	}
	return m.leave()
}

// Closing says that the member is about to stop, and takes no more shards.
func (m *Machine) Closing(now time.Duration) []Action {
	m.enter(now)
	m.takeNoMore()
	return m.leave()
}

// Drain says that the member must hand over all shards.
func (m *Machine) Drain(now time.Duration) []Action {
	m.enter(now)
	m.drain = true
	m.takeNoMore()
	return m.leave()
}

func (m *Machine) takeNoMore() {
	if !m.closing {
		m.closing, m.plan, m.me = true, nil, Nobody
	}
}

// review stops shards that must stop.
func (m *Machine) review() {
	switch {
	case m.drain:
		for i := range m.shards {
			if m.shards[i].phase == running {
				m.stop(i, Moves)
			}
		}
	case m.seen && !m.closing && m.me != Nobody && len(m.ids) > 1 && !m.stale:
		m.move()
	}
}

// move moves shards: those that keep failing here, and those that others should have.
func (m *Machine) move() {
	next := func(i int, interval time.Duration) bool {
		if m.now < m.pace.next(interval) {
			return false
		}
		m.pace.take(m.now, interval)
		m.moved++
		m.stop(i, Moves)
		return true
	}
	for i := range m.shards {
		s := &m.shards[i]
		if s.phase != running || s.fails < failsToMove {
			continue
		}
		if !next(i, m.terms.interval(len(m.ids))) {
			break
		}
		m.restFrom(i)
	}
	if m.now < m.settled() {
		return
	}
	plan := m.planned()
	for i := range m.shards {
		if m.shards[i].phase != running || plan[i] == m.me {
			continue
		}
		if !next(i, m.terms.interval(m.givers)) {
			return
		}
		m.plan = plan // it still holds: the shard goes to the same member
	}
}

// settled returns when the members have been the same for long enough. The highest HoldDown
// is never over.
func (m *Machine) settled() time.Duration {
	return m.changed + min(m.terms.HoldDown, math.MaxInt64-m.changed)
}

// restFrom lets the member not claim a shard for a while, so that another one does.
func (m *Machine) restFrom(i int) {
	s := &m.shards[i]
	if m.now-s.rest > forgetsFails {
		s.rests = 0
	}
	s.rests++
	s.rest = m.now + m.terms.failRest(s.rests)
}

// planned returns the plan. A shard that this member is about to cede counts as nobody's.
func (m *Machine) planned() []int32 {
	if m.plan != nil {
		return m.plan
	}
	place := make(map[string]int32, len(m.ids))
	for i, id := range m.ids {
		place[id] = int32(i)
	}
	owner := make([]int32, len(m.owner))
	for i, id := range m.owner {
		owner[i] = Nobody
		if at, ok := place[id]; ok && (id != m.id || m.shards[i].phase == running) {
			owner[i] = at
		}
	}
	m.plan = Plan(m.seeds, owner)
	m.givers = givers(len(m.seeds), owner, m.plan)
	return m.plan
}

// givers returns how many members have shards that others should have, at least one.
func givers(members int, owner, plan []int32) (n int) {
	gives := make([]bool, members)
	for s, o := range owner {
		if o != Nobody && plan[s] != o && !gives[o] {
			gives[o] = true
			n++
		}
	}
	return max(n, 1)
}

// request begins the next request, if none is under way.
func (m *Machine) request() {
	if m.line != 0 && m.line != Look || m.cut || m.now < m.pause {
		return
	}
	a := m.wanted()
	switch {
	case a.Kind == 0 && m.line == Look:
		return
	case a.Kind == 0:
		a.Kind, a.After = Look, m.revision
		if m.stale {
			a.After = 0
		}
	case m.line == Look:
		m.cut = true
		m.do(Action{Kind: CancelLook})
		return
	}
	m.line = a.Kind
	for _, i := range a.Shards {
		m.shards[i].phase = claiming
	}
	for _, c := range a.Claims {
		m.shards[c.Shard].phase = ceding
	}
	m.do(a)
}

// wanted returns the request that is due; its Kind is zero if none is.
func (m *Machine) wanted() (a Action) {
	most := max(leastPerRequest, len(m.shards)/requestsForAll)
	for i := range m.shards {
		if s := &m.shards[i]; s.phase == stopped && len(a.Claims) < most {
			a.Kind = ToCede
			a.Claims = append(a.Claims, Claim{i, m.id, s.token})
		}
	}
	if a.Kind == 0 && m.closing && !m.left {
		a.Kind = ToLeave
	}
	if a.Kind != 0 || m.stale || m.closing || m.me == Nobody || m.now < max(m.joined+m.terms.Settle, m.claimFrom) {
		return a
	}
	plan := m.planned()
	for i := range m.shards {
		if at, ok := m.claimAt(i, plan); ok && at <= m.now && len(a.Shards) < most {
			a.Kind = ToClaim
			a.Shards = append(a.Shards, i)
		}
	}
	return a
}

// claimAt returns when the member may claim a shard, if that is free.
func (m *Machine) claimAt(i int, plan []int32) (at time.Duration, ok bool) {
	s := &m.shards[i]
	if m.owner[i] != "" || s.phase != none {
		return 0, false
	}
	at = max(m.joined+m.terms.Settle, m.claimFrom, s.rest)
	if plan[i] != m.me {
		at = max(at, s.freeSince+m.terms.Patience)
	}
	return at, true
}

// Next returns when Tick is needed at the latest, if no other event comes before.
func (m *Machine) Next() (at time.Duration, ok bool) {
	due := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if m.line == 0 {
		due(m.pause)
	}
	if !m.seen || m.closing || m.stale || m.me == Nobody || m.cut || m.line != 0 && m.line != Look {
		return at, ok
	}
	plan := m.planned()
	for i := range m.shards {
		if t, free := m.claimAt(i, plan); free {
			due(max(t, m.pause))
			continue
		}
		s := &m.shards[i]
		switch {
		case len(m.ids) < 2 || s.phase != running:
		case s.fails >= failsToMove:
			due(m.pace.next(m.terms.interval(len(m.ids))))
		case plan[i] != m.me:
			due(max(m.pace.next(m.terms.interval(m.givers)), m.settled()))
		}
	}
	return at, ok
}

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

import "time"

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

package observer

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// A memory is what is remembered of one tree: the ring of its latest events, and bounded
// summaries that outlive the ring. It is fed by one subscription, and read by any number of
// observers.
type memory struct {
	mu    sync.Mutex
	ring  ring
	texts ring // of EventStatus, so that a child that says much displaces nothing else

	last  uint64 // number of the latest event
	lost  uint64 // events that never came
	began uint64 // number of the first event of the root's current start
	tree  uint64 // number in the tree of the latest event of that start
	start time.Time

	attached time.Time // when the subscription began
	draining time.Time // since when the root waits for its Spec.Drain

	storms  ring // first failures of storms
	gaveUps ring

	causes    *lru[*story]      // by form
	forms     map[string]*story // by text: for texts that were seen lately
	paths     *lru[*past]
	rest      story       // events that are no failures
	recovered []*recovery // the oldest first
	panics    []panicked  // the oldest first

	changed chan struct{} // closed at the next event; nil if nobody waits
}

func newMemory(keep int) *memory {
	return &memory{
		ring:    ring{most: keep},
		texts:   ring{most: textsOf(keep)},
		storms:  ring{most: mostFirsts},
		gaveUps: ring{most: mostFirsts},
		causes:  newLRU(mostCauses, func(s *story) *lruElement[*story] { return &s.element }),
		forms:   map[string]*story{},
		paths:   newLRU(mostPaths, func(p *past) *lruElement[*past] { return &p.element }),
	}
}

// keep makes the ring hold at least that many records.
func (m *memory) keep(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ring.most = max(m.ring.most, n)
	m.texts.most = textsOf(m.ring.most)
}

// textsOf returns how many status texts are kept beside a number of other events.
func textsOf(keep int) int { return max(1, keep/8) }

// attach notes that the events from a moment on are remembered. Those before it, if there
// are any, are kept; what happened in between is not known.
func (m *memory) attach(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attached = at
}

// see remembers an event.
func (m *memory) see(e supervisor.Event) {
	rec := recordOf(&e)
	var stack string
	if len(e.Stack) > 0 && e.Kind != supervisor.EventHung && e.Kind != supervisor.EventAbandoned {
		stack = valid(string(e.Stack), view.MaxLongText)
	}
	m.add(&rec, stack)
}

func (m *memory) add(rec *record, stack string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	rec.seq = m.last
	m.lost += rec.lost
	m.number(rec)
	switch rec.kind {
	case supervisor.EventFailed, supervisor.EventHung, supervisor.EventUnready:
		m.trouble(rec, cmp.Or(rec.cause, rec.err))
	case supervisor.EventAbandoned:
		m.cause(rec, abandonedText)
	case supervisor.EventSlowStart:
		m.cause(rec, slowText)
	case supervisor.EventGaveUp:
		m.gaveUps.push(rec)
	case supervisor.EventReady:
		m.well(rec)
	case supervisor.EventStarting:
		m.starts(rec)
	case supervisor.EventStopping:
		if p, ok := m.paths.get(rec.path); ok {
			p.unready = time.Time{}
		}
	case supervisor.EventStopped:
		m.stops(rec)
	case supervisor.EventCompleted:
		m.ends(rec)
	case supervisor.EventSuspended:
		m.past(rec.path).suspendedBy = rec.by
	case supervisor.EventResumed:
		if p, ok := m.paths.get(rec.path); ok {
			p.suspendedBy = ""
		}
	case supervisor.EventDraining:
		m.draining = rec.at
	case supervisor.EventClosing, supervisor.EventOver:
		if above(rec.path) == "" { // a nested supervisor never drains
			m.draining = time.Time{}
		}
	case supervisor.EventRemoved:
		if p, ok := m.paths.get(rec.path); ok {
			p.forget()
		}
	}
	switch rec.kind {
	case supervisor.EventFailed, supervisor.EventHung, supervisor.EventUnready, supervisor.EventAbandoned, supervisor.EventSlowStart:
	default:
		m.rest.count(rec.at)
	}
	if stack != "" {
		m.panicked(rec, stack)
	}
	if rec.kind == supervisor.EventStatus {
		m.texts.push(rec)
	} else {
		m.ring.push(rec)
	}
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// number notes which numbers the tree gives, and translates because. They start over with
// the root. A late exit may have a number of an earlier start.
func (m *memory) number(rec *record) {
	if rec.kind != supervisor.EventLateExit {
		if rec.tree <= m.tree || m.began == 0 {
			m.began, m.start, m.draining = rec.seq, rec.at, time.Time{}
		}
		m.tree = rec.tree
	} else {
		rec.tree = m.tree // keeps the numbers in the ring in order
	}
	if rec.because != 0 {
		rec.because = m.ring.ofTree(rec.because, m.began)
	}
}

// trouble notes that a child fails or is not ready.
func (m *memory) trouble(rec *record, text string) {
	p := m.past(rec.path)
	if rec.kind == supervisor.EventFailed && p.hung {
		p.hung = false // it is the same failure
		return
	}
	if p.hung = rec.kind == supervisor.EventHung; p.hung && text == "" {
		text = child.ErrHung.Error()
		rec.err = text
	}
	s := m.cause(rec, text)
	if p.down.IsZero() {
		p.down = rec.at
		m.relapse(p, rec.at)
	}
	p.why, p.whyText = s.form, text
	p.n++
	if rec.kind == supervisor.EventUnready {
		if p.unready.IsZero() {
			p.unready = rec.at
		}
		return
	}
	p.unready = time.Time{}
	p.failures++
	p.last = moment{rec.at, text, rec.seq}
	if p.failures == 1 {
		p.first = p.last
	}
}

// cause counts a failure for its cause, and keeps the first of a storm.
func (m *memory) cause(rec *record, text string) *story {
	s := m.story(text)
	if s.seen == 0 {
		s.first, s.path = rec.at, rec.path
	}
	if s.seen == 0 || rec.at.Sub(s.last) > calm {
		m.storms.push(rec)
	}
	s.last = rec.at
	s.count(rec.at)
	return s
}

// story returns the story of the cause that a text belongs to.
func (m *memory) story(text string) *story {
	s := m.forms[text]
	if s == nil {
		masked := mask(text)
		var ok bool
		if s, ok = m.causes.get(masked.form); !ok {
			s = &story{id: idOf(masked.form), form: masked.form}
			m.causes.put(masked.form, s)
			m.forms = map[string]*story{} // it may have texts of the one that was forgotten
		}
		s.text.add(masked)
		if len(m.forms) >= mostCauses*4 {
			clear(m.forms)
		}
		m.forms[text] = s
	}
	m.causes.use(s)
	return s
}

func (m *memory) past(path string) *past {
	p, ok := m.paths.get(path)
	if !ok {
		p = &past{path: path}
		m.paths.put(path, p)
	}
	m.paths.use(p)
	return p
}

// well notes that a child is ready, and what has recovered with that.
func (m *memory) well(rec *record) {
	p, ok := m.paths.get(rec.path)
	if !ok {
		return
	}
	defer p.forget()
	if p.down.IsZero() {
		return
	}
	r := m.recovery(p.why, rec.at)
	if r == nil {
		r = &recovery{path: rec.path, form: p.why}
		m.recovered = keepLast(m.recovered, r, mostRecovered)
	}
	p.healed, p.healedN, p.healedWith, p.healedFrom, p.healedBefore, p.healedAt = r, p.n, p.withN, p.down, p.before, rec.at
	r.text.add(mask(p.whyText))
	r.paths++
	r.n += p.n
	r.down = max(r.down, p.before+rec.at.Sub(p.down))
	r.at = rec.at
	r.withN += p.withN
	for _, name := range p.with {
		if len(r.with) < mostWith && !slices.Contains(r.with, name) {
			r.with = append(r.with, name)
		}
	}
}

// relapse takes back the recovery of a moment ago, if there was one: the child is not well.
// If the recovery was not even shown yet, the trouble has never been over. Otherwise this is
// another outage, which begins now.
func (m *memory) relapse(p *past, at time.Time) {
	r := p.healed
	if p.healed = nil; r == nil || at.Sub(p.healedAt) > calm {
		return
	}
	if at.Sub(r.at) < r.proof() {
		p.down, p.before = p.healedFrom, p.healedBefore
	} else {
		p.before = p.healedBefore + p.healedAt.Sub(p.healedFrom)
	}
	p.n = p.healedN
	r.paths--
	r.n -= p.healedN
	r.withN -= p.healedWith
	if r.paths == 0 {
		m.recovered = slices.DeleteFunc(m.recovered, func(other *recovery) bool { return other == r })
	}
}

// recovery returns the one that others of the same cause have just joined, or nil.
func (m *memory) recovery(form string, at time.Time) *recovery {
	for _, r := range m.recovered {
		if r.form == form && at.Sub(r.at) <= calm {
			return r
		}
	}
	return nil
}

// mostWith is how many children that were restarted with another are named.
const mostWith = 3

// starts notes a start.
func (m *memory) starts(rec *record) {
	if p, ok := m.paths.get(rec.path); ok {
		p.by, p.suspendedBy, p.unready = "", "", time.Time{}
	}
}

// along notes that a child is stopped because it is restarted with another that has failed.
func (m *memory) along(rec *record) {
	if rec.reason != supervisor.ReasonGroup || rec.by == "" || rec.by == rec.path {
		return
	}
	p, ok := m.paths.get(rec.by)
	if !ok || p.down.IsZero() {
		return
	}
	name := base(rec.path)
	for _, known := range p.with {
		if known == name {
			return
		}
	}
	if p.withN++; p.withN <= mostWith {
		p.with = append(p.with, name)
	}
}

// stops notes that a child is stopped, and at whose request.
func (m *memory) stops(rec *record) {
	p, ok := m.paths.get(rec.path)
	if ok {
		p.unready = time.Time{}
	}
	m.along(rec)
	if rec.reason == supervisor.ReasonStopChild {
		if !ok {
			p = m.past(rec.path)
		}
		p.forget()
		p.by = rec.by
	}
}

// ends notes that a child has ended without a failure.
func (m *memory) ends(rec *record) {
	if p, ok := m.paths.get(rec.path); ok {
		p.forget()
	}
}

// forget forgets the trouble that is over.
func (p *past) forget() {
	p.hung = false
	p.down, p.unready, p.why, p.whyText, p.n, p.with, p.withN, p.by, p.before = time.Time{}, time.Time{}, "", "", 0, nil, 0, "", 0
}

func (m *memory) panicked(rec *record, stack string) {
	for i := range m.panics {
		if m.panics[i].path == rec.path {
			m.panics = append(m.panics[:i], m.panics[i+1:]...)
			break
		}
	}
	m.panics = keepLast(m.panics, panicked{rec.path, rec.run, rec.at, rec.err, stack}, mostPanics)
}

// keepLast appends a value and drops the oldest beyond most.
func keepLast[T any](all []T, v T, most int) []T {
	if len(all) >= most {
		var zero T
		copy(all, all[1:])
		all[len(all)-1] = zero
		all = all[:len(all)-1]
	}
	return append(all, v)
}

// waitFor returns a channel that is closed when there is an event after number seq.
func (m *memory) waitFor(seq uint64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last > seq {
		return closed
	}
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.changed
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// after returns the records after number seq, at most most of them, the oldest first, and
// the number of those that are missing before the last of them.
func (m *memory) after(seq uint64, most int) (records []record, gone uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq >= m.last {
		return nil, 0
	}
	until := m.last
	for rec := range merged(seq, &m.ring, &m.texts) {
		if len(records) == most {
			until = records[most-1].seq
			break
		}
		records = append(records, *rec)
	}
	return records, until - seq - uint64(len(records))
}

// all returns all records, also those beyond the ring, the oldest first.
func (m *memory) all() []record {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]record, 0, m.ring.count+m.texts.count+m.storms.count+m.gaveUps.count)
	for rec := range merged(0, &m.storms, &m.gaveUps, &m.ring, &m.texts) {
		all = append(all, *rec)
	}
	return all
}

// span describes the ring. m.mu must be held.
func (m *memory) span() view.Ring {
	v := view.Ring{From: m.complete(), First: 1, Last: m.last, Kept: m.ring.count + m.texts.count, Lost: m.lost}
	for rec := range merged(0, &m.ring, &m.texts) {
		v.First = rec.seq
		break
	}
	return v
}

// complete returns the moment since when no event but status texts is missing: since the
// subscription began, unless those of its beginning have left the ring. m.mu must be held.
func (m *memory) complete() time.Time {
	if m.ring.dropped {
		if first := m.ring.at(0); first.at.After(m.attached) {
			return first.at
		}
	}
	return m.attached
}

// latest returns the number of the latest event.
func (m *memory) latest() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

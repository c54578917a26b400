package observer

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/blackbox"
)

// snapshots makes models of the tree. Requests that come at the same time share one, and
// a model is shared for four times as long as it took to make: then models take at
// most a fifth of one processor, however many pages are open and however many children
// there are. A model of a few children is made for each request.
//
// A model that takes long to make is made in the background, while requests get the one
// before it, if that is not older than staleFor.
type snapshots struct {
	mu      sync.Mutex
	last    *model
	at      time.Time     // that last is of; zero: now
	until   time.Time     // last is used until then
	took    time.Duration // to make last
	made    time.Time     // when last was made
	timer   *time.Timer   // forgets last
	dropped bool          // last is from before an action
	making  chan struct{} // closed when the model that is being made is there; nil if none is
}

const (
	shareFor = 4
	keptFor  = 10 * time.Second // that of 100,000 children takes some 40 MB
	staleFor = 5 * time.Second
	quick    = 50 * time.Millisecond // a request waits for a model that takes less
)

// get returns a model. build is not called under a lock: it calls methods of errors.
//
// at is the moment that the model is of, zero for now. The past does not change: only the
// latest moment that was asked for is kept.
func (s *snapshots) get(ctx context.Context, at time.Time, build func() *model) (*model, error) {
	for {
		s.mu.Lock()
		now := time.Now()
		known := s.last != nil && s.at.Equal(at)
		if known && now.Before(s.until) {
			defer s.mu.Unlock()
			return s.last, nil
		}
		stale := known && s.took > quick && now.Sub(s.made) < staleFor && !s.dropped
		making := s.making
		mine := making == nil
		if mine {
			making = make(chan struct{})
			s.making = making
		}
		last := s.last
		s.mu.Unlock()
		switch {
		case stale && mine:
			go func() { // ends with build
				defer func() { _ = recover() }() // the next request that waits panics too, and net/http reports it
				s.make(making, at, build)
			}()
			fallthrough
		case stale:
			return last, nil
		case mine:
			return s.make(making, at, build), nil
		}
		select {
		case <-making:
		case <-ctx.Done():
			return nil, refuse(http.StatusServiceUnavailable, "the request ended before there was an answer")
		}
	}
}

// make makes a model, and closes making.
func (s *snapshots) make(making chan struct{}, at time.Time, build func() *model) (made *model) {
	began := time.Now()
	defer func() { // also after a panic
		s.mu.Lock()
		defer s.mu.Unlock()
		close(making)
		if s.making != making {
			return // it was dropped
		}
		s.making = nil
		if made == nil {
			return
		}
		now := time.Now()
		s.last, s.at, s.made, s.took, s.dropped = made, at, now, now.Sub(began), false
		s.until = now.Add(shareFor * s.took)
		if s.timer == nil {
			s.timer = time.AfterFunc(keptFor, s.forget)
		} else {
			s.timer.Reset(keptFor)
		}
	}()
	return build()
}

// forget frees the model.
func (s *snapshots) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.timer = nil, nil
}

// behind reports whether requests may have got a model from before the event with that
// number, so that what they show is out of date although nothing happens any more.
func (s *snapshots) behind(seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last != nil && s.at.IsZero() && s.last.seq < seq
}

// drop makes the next request get a new model.
func (s *snapshots) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until, s.making, s.dropped = time.Time{}, nil, true
}

// model returns the tree as it is, or as it was at the moment that the request names.
func (o *Observer) model(r *http.Request) (*model, error) {
	at, past, err := momentOf(r, "at")
	if err != nil {
		return nil, err
	}
	if !past || !at.Before(time.Now()) {
		return o.latest.get(r.Context(), time.Time{}, o.build)
	}
	at = at.Truncate(time.Millisecond).Add(time.Millisecond - 1) // the whole millisecond has passed
	return o.rebuild(r, at)
}

// build makes a model of the tree as it is.
func (o *Observer) build() *model {
	seq := o.memory.latest()
	tree := o.root.Tree()
	m := build(&tree, time.Now(), o.spec.Degraded)
	m.seq = seq
	m.serves = o.serves
	m.explain(o.memory, o)
	return m
}

// nested returns the supervisor at a path.
func (o *Observer) nested(path string) (*supervisor.Supervisor, bool) {
	if path == o.root.Path() {
		return o.root, true
	}
	return o.root.Nested(path)
}

// The methods of asker.

func (o *Observer) supervisorSpec(path string) (supervisor.Spec, bool) {
	s, ok := o.nested(path)
	if !ok {
		return supervisor.Spec{}, false
	}
	return s.Spec(), true
}

// Forecast is that of the tree.
func (o *Observer) Forecast(path string) (supervisor.Forecast, bool) { return o.root.Forecast(path) }

// LookupSpec is that of the tree.
func (o *Observer) LookupSpec(path string) (child.Spec, bool) { return o.root.LookupSpec(path) }

// before says how the process before this one ended, if a black box has recorded that it did
// not end well.
func (o *Observer) before() string {
	life, ok := blackbox.Last(o.root)
	if !ok || life.End != blackbox.Killed && life.End != blackbox.Crashed {
		return ""
	}
	return valid("The process before this one did not end well: "+life.String()+". The command coppice blackbox shows what happened.", view.MaxText)
}

// head describes the tree as a whole.
func (o *Observer) head(r *http.Request, m *model) (view.Head, error) {
	root := &m.items[0]
	p := processNow()
	h := view.Head{
		V: view.Version, Now: time.Now(), Name: valid(root.tree.Name, view.MaxText), Path: root.tree.Path,
		State: m.state, Since: m.since, Started: m.started, Say: m.verdict(),
		Host: p.host, Version: p.version, Go: p.goVersion, Goroutines: p.goroutines, Heap: p.heap,
		Counts: map[string]int{}, May: []view.Action{}, Ring: m.ring, Worst: m.worst, Recovered: m.recovered,
		Causes: m.causes[:min(len(m.causes), mostShown)], MoreCauses: max(0, len(m.causes)-mostShown),
	}
	if h.Causes == nil {
		h.Causes = []view.Cause{}
	}
	h.Before = o.before()
	if s := m.supers[0]; s != nil {
		h.Children, h.Trouble, h.Counts = s.all, s.trouble, s.counts
	}
	if m.past {
		h.At = m.at.Truncate(time.Millisecond)
	} else if o.spec.Act != nil {
		h.May = allActions
	}
	seen, ok, err := number(r, "seen")
	if err != nil {
		return h, err
	}
	if ok {
		h.Missed = o.memory.missed(seen)
	}
	return h, nil
}

// missed says what happened after the event with that number. It is nil if nothing did.
func (m *memory) missed(seen uint64) *view.Missed {
	m.mu.Lock()
	defer m.mu.Unlock()
	var missed view.Missed
	for rec := range merged(seen, &m.ring, &m.texts) {
		if missed.Kept++; missed.Kept == 1 {
			missed.From = rec.at
		}
		missed.To = rec.at
	}
	if missed.Kept == 0 {
		return nil
	}
	missed.N = m.last - seen
	return &missed
}

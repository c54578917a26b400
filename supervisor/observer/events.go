package observer

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// Events of one answer of events.json.
const (
	defaultEvents = 200
	mostEvents    = 1000
	mostLanes     = 20
)

// A picker says which events a request is about.
type picker struct {
	path    string
	trouble bool
	kind    supervisor.EventKind
	seen    uint64
	at      time.Time // until then
	since   time.Time // after then
}

func pickerOf(r *http.Request) (picker, error) {
	q := r.URL.Query()
	p := picker{path: q.Get("path")}
	switch kind := q.Get("kind"); kind {
	case "":
	case "trouble":
		p.trouble = true
	default:
		if p.kind.UnmarshalText([]byte(kind)) != nil {
			return p, refuse(http.StatusBadRequest, "kind: no event has this kind")
		}
	}
	var err error
	var past bool
	if p.seen, _, err = number(r, "seen"); err != nil {
		return p, err
	}
	if p.at, past, err = momentOf(r, "at"); err != nil {
		return p, err
	}
	if past {
		p.at = p.at.Truncate(time.Millisecond).Add(time.Millisecond - 1)
	}
	p.since, _, err = momentOf(r, "since")
	return p, err
}

// isTrouble reports whether an event reports trouble.
func isTrouble(kind supervisor.EventKind) bool {
	switch kind {
	case supervisor.EventFailed, supervisor.EventHung, supervisor.EventGaveUp, supervisor.EventAbandoned,
		supervisor.EventUnready, supervisor.EventError:
		return true
	}
	return false
}

func (p *picker) picks(rec *record) bool {
	switch {
	case rec.seq <= p.seen && p.seen > 0,
		p.trouble && !isTrouble(rec.kind),
		p.kind != 0 && rec.kind != p.kind,
		!p.at.IsZero() && rec.at.After(p.at),
		!p.since.IsZero() && !rec.at.After(p.since):
		return false
	}
	return len(p.path) <= len(rec.path) && rec.path[:len(p.path)] == p.path
}

func (o *Observer) serveEvents(w http.ResponseWriter, r *http.Request) error {
	p, err := pickerOf(r)
	if err != nil {
		return err
	}
	n, ok, err := number(r, "n")
	if err != nil {
		return err
	}
	if !ok || n == 0 {
		n = defaultEvents
	}
	because, why, err := number(r, "because")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	order := q.Get("order")
	if order != "" && order != "oldest" {
		return refuse(http.StatusBadRequest, "order: must be oldest, or left out")
	}
	all := o.memory.all()
	if why {
		all = ledTo(all, because)
	}
	if order == "" {
		slices.Reverse(all)
	}
	now := time.Now()
	v := view.Events{V: view.Version, From: now.Add(-time.Hour), To: now, Events: []view.Event{}}
	v.Events, v.More = pick(all, &p, int(min(n, mostEvents)), q.Get("fold") != "0" && !why, order == "")
	v.Lanes, v.Ring = o.memory.lanes(now)
	writeJSON(w, r, http.StatusOK, v)
	return nil
}

// ledTo returns the event with that number and those that led to it, the oldest first.
func ledTo(all []record, seq uint64) []record {
	var chain []record
	for seq != 0 {
		i, found := slices.BinarySearchFunc(all, seq, func(rec record, seq uint64) int { return cmp.Compare(rec.seq, seq) })
		if !found {
			break
		}
		chain = append(chain, all[i])
		if all[i].because >= seq { // impossible: an event has no later reason
			break
		}
		seq = all[i].because
	}
	slices.Reverse(chain)
	return chain
}

// pick returns at most most of the events that p picks, like ones in a row as one if fold
// is set, and whether there are more.
func pick(all []record, p *picker, most int, fold, backwards bool) (events []view.Event, more bool) {
	events = []view.Event{}
	var last *record // of the fold that is being made
	var form string
	paths := map[string]bool{}
	for i := range all {
		rec := &all[i]
		if !p.picks(rec) {
			continue
		}
		if fold && last != nil && alike(last, rec, &form) {
			e := &events[len(events)-1]
			if e.N == 0 {
				e.N, e.TimeTo = 1, e.Time
			}
			e.N++
			paths[rec.path] = true
			e.Paths = len(paths)
			if backwards { // this one is the first so far
				n, paths, to := e.N, e.Paths, e.TimeTo
				*e = rec.view()
				e.N, e.Paths, e.TimeTo = n, paths, to
			} else {
				e.TimeTo = rec.at
			}
			last = rec
			continue
		}
		if len(events) == most {
			return events, true
		}
		events = append(events, rec.view())
		last, form = rec, ""
		clear(paths)
		paths[rec.path] = true
	}
	return events, false
}

// alike reports whether two events are shown as one: of the same kind, with the same cause,
// of the same supervisor's children. form is the form of the first one's error, or empty if
// it is not known yet.
func alike(a, b *record, form *string) bool {
	if a.kind != b.kind || a.reason != b.reason || above(a.path) != above(b.path) || a.by != b.by || a.lost+b.lost > 0 {
		return false
	}
	if a.err == b.err && a.text == b.text {
		return true
	}
	if a.text != b.text && a.kind != supervisor.EventStatus {
		return false
	}
	if *form == "" {
		*form = mask(a.err).form
	}
	return *form == mask(b.err).form
}

// lanes returns a lane for each cause of the last hour, in the order of their beginning,
// and one for all other events.
func (m *memory) lanes(now time.Time) ([]view.Lane, view.Ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lanes := []view.Lane{}
	type lane struct {
		view.Lane
		first time.Time
	}
	var all []lane
	downs := map[string]int{} // children in trouble now, by cause
	m.paths.all(func(p *past) {
		if !p.down.IsZero() {
			downs[p.why]++
		}
	})
	m.causes.all(func(s *story) {
		if now.Sub(s.last) > time.Hour || len(all) == mostLanes {
			return
		}
		l := view.Lane{ID: s.id, Path: s.path, Text: s.text.String(), Bins: s.trend(now), Look: "running"}
		if downs[s.form] > 0 {
			l.Look = "waiting"
		}
		l.Label = "failures by minute in the last hour: " + l.Text
		all = append(all, lane{l, s.first})
	})
	slices.SortStableFunc(all, func(a, b lane) int { return a.first.Compare(b.first) })
	for _, l := range all {
		lanes = append(lanes, l.Lane)
	}
	m.rest.shift(now)
	return append(lanes, view.Lane{
		Text: "all other events", Look: "running", Label: "all other events by minute in the last hour", Bins: m.rest.trend(now),
	}), m.span()
}

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
	m, err := o.latest.get(r.Context(), time.Time{}, o.build)
	if err != nil {
		return err
	}
	v.Lanes, v.Ring = o.memory.lanes(now, m)
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

// A fold is a row of events that is still open for others like it.
type fold struct {
	row   int    // index among the rows
	like  record // the first one
	form  string // of its error
	last  time.Time
	paths map[string]bool
}

// Rows are open for as many rows after them, and for as long. So the starts and failures
// of many children, which alternate, are a few rows.
const (
	openRows = 8
	openFor  = time.Minute
)

// pick returns at most most of the events that p picks, like ones that are close as one
// row if together is set, and whether there are more. A row stands where the event does
// that comes first in all.
func pick(all []record, p *picker, most int, together, backwards bool) (events []view.Event, more bool) {
	events = []view.Event{}
	var open []*fold
	forms := map[string]string{}
	formOf := func(text string) string {
		form, ok := forms[text]
		if !ok {
			if len(forms) >= 4*mostCauses {
				clear(forms)
			}
			form = mask(text).form
			forms[text] = form
		}
		return form
	}
	for i := range all {
		rec := &all[i]
		if !p.picks(rec) {
			continue
		}
		if together {
			form := formOf(rec.err)
			if f := likeOne(open, rec, form); f != nil {
				f.add(&events[f.row], rec, backwards)
				continue
			}
			if len(events) < most {
				if len(open) == openRows {
					open = append(open[:0], open[1:]...)
				}
				open = append(open, &fold{row: len(events), like: *rec, form: form, last: rec.at, paths: map[string]bool{rec.path: true}})
			}
		}
		if len(events) == most {
			return events, true
		}
		events = append(events, rec.view())
	}
	return events, false
}

// likeOne returns the open row that an event belongs to, or nil: one of the same kind and
// cause, of children of the same supervisor. All status texts of a child are alike.
func likeOne(open []*fold, rec *record, form string) *fold {
	for _, f := range open {
		a := &f.like
		if a.kind == rec.kind && a.kind == supervisor.EventStatus && a.path == rec.path && a.run == rec.run && rec.at.Sub(f.last).Abs() <= openFor {
			return f
		}
		if a.kind == rec.kind && a.reason == rec.reason && a.by == rec.by && above(a.path) == above(rec.path) &&
			f.form == form && a.text == rec.text && rec.lost == 0 && a.lost == 0 && rec.at.Sub(f.last).Abs() <= openFor {
			return f
		}
	}
	return nil
}

// add adds an event to a row.
func (f *fold) add(e *view.Event, rec *record, backwards bool) {
	if e.N == 0 {
		e.N, e.TimeTo = 1, e.Time
	}
	f.paths[rec.path] = true
	f.last = rec.at
	n, to, text := e.N+1, e.TimeTo, e.Text
	if backwards { // this is the first one so far
		*e = rec.view()
	} else {
		to, text = rec.at, rec.text
	}
	e.N, e.Paths, e.TimeTo, e.Text = n, len(f.paths), to, text
}

// lanes returns a lane for each cause of the last hour, in the order of their beginning,
// and one for all other events.
func (m *memory) lanes(now time.Time, of *model) ([]view.Lane, view.Ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lanes := []view.Lane{}
	type lane struct {
		view.Lane
		first time.Time
	}
	var all []lane
	m.causes.all(func(s *story) {
		if now.Sub(s.last) > time.Hour || len(all) == mostLanes {
			return
		}
		l := view.Lane{ID: s.id, Path: s.path, Text: s.text.String(), Bins: s.trend(now), Look: "running"}
		if i, ok := of.byForm[s.form]; ok {
			l.Look = string(of.items[of.groups[i].worst].look)
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

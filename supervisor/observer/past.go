package observer

import (
	"errors"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// The tree of a past moment is the tree of now without what has happened since. A child
// that has no later event was then as it is now. For any other, the latest event until
// then says how it was, and if there is none, the first later one says what it must have
// been: a run that fails has been running. Such a child is marked as a guess.

// rebuild makes a model of the tree as it was at a moment.
func (o *Observer) rebuild(r *http.Request, at time.Time) (*model, error) {
	if since := o.memory.since(); at.Before(since) {
		return nil, refuse(http.StatusGone, "the observer remembers events since %s: ask for a later moment", since.Format(time.RFC3339))
	}
	return o.past.get(r.Context(), at, func() *model {
		records, texts := o.memory.all(), o.memory.textsSince() // before the tree, so that no event is missing between them
		tree := o.root.Tree()
		then := newThen(at, records)
		then.textless = at.Before(texts)
		was := then.rebuild(&tree)
		m := build(&was, at, o.spec.Degraded)
		m.past = true
		for i := range m.items {
			it := &m.items[i]
			it.guess = then.guesses[it.tree.Path]
		}
		m.explain(o.memory, o)
		return m
	})
}

// since returns the moment since when no event is missing.
func (m *memory) since() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.complete()
}

// textsSince returns the moment since when no status text is missing.
func (m *memory) textsSince() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.texts.dropped {
		return m.texts.at(0).at
	}
	return time.Time{}
}

// A then is what the events say about a moment.
type then struct {
	at       time.Time
	textless bool // some status texts of then or later are not known
	paths    map[string]*track
	guesses  map[string]bool
	kids     map[string][]string // children that have events, by supervisor, in order of their first
}

// A track is what the events say about one child.
type track struct {
	state     *record // the latest until then that changed the state
	run       *record // the latest until then
	failed    *record // the latest until then with an error of the child
	text      *record // the latest status text until then, of the run then
	suspended *record
	next      *record // the first later one
	nextState *record // the first later one that changes the state
	phase     *record // of a supervisor itself, the latest until then: up, draining, closing, over
	nextPhase *record
	gaveUp    bool // until then, and not started since
	laterText bool
}

// newThen sorts the records, the oldest first.
func newThen(at time.Time, records []record) *then {
	t := &then{at: at, paths: map[string]*track{}, guesses: map[string]bool{}, kids: map[string][]string{}}
	for i := range records {
		rec := &records[i]
		k := t.paths[rec.path]
		if k == nil {
			k = &track{}
			t.paths[rec.path] = k
			up := above(rec.path)
			t.kids[up] = append(t.kids[up], rec.path)
		}
		k.add(rec, at)
	}
	return t
}

func (k *track) add(rec *record, at time.Time) {
	changes := changesState(rec.kind)
	if rec.at.After(at) {
		if k.next == nil {
			k.next = rec
		}
		if changes && k.nextState == nil {
			k.nextState = rec
		}
		if isPhase(rec.kind) && k.nextPhase == nil {
			k.nextPhase = rec
		}
		k.laterText = k.laterText || rec.kind == supervisor.EventStatus
		return
	}
	if isPhase(rec.kind) {
		k.phase = rec
	}
	if changes {
		k.state = rec
	}
	if rec.run != 0 {
		k.run = rec
	}
	switch rec.kind {
	case supervisor.EventFailed, supervisor.EventError:
		k.failed = rec
	case supervisor.EventStatus:
		k.text = rec
	case supervisor.EventStarting:
		k.text, k.gaveUp = nil, false
	case supervisor.EventGaveUp:
		k.gaveUp = true
	case supervisor.EventSuspended, supervisor.EventResumed:
		k.suspended = rec
	}
}

func isPhase(kind supervisor.EventKind) bool {
	switch kind {
	case supervisor.EventUp, supervisor.EventDraining, supervisor.EventClosing, supervisor.EventOver:
		return true
	}
	return false
}

// changesState reports whether an event of a child says how the child is from then on.
func changesState(kind supervisor.EventKind) bool {
	switch kind {
	case supervisor.EventStarting, supervisor.EventReady, supervisor.EventFailed, supervisor.EventRestarting,
		supervisor.EventCompleted, supervisor.EventStopping, supervisor.EventStopped, supervisor.EventAbandoned,
		supervisor.EventRemoved, supervisor.EventUnready, supervisor.EventHung:
		return true
	}
	return false
}

// rebuild returns the tree as it was: t is the tree of now.
func (k *then) rebuild(t *supervisor.Tree) supervisor.Tree {
	was := *t
	was.Status, _ = k.status(t.Status, true, true)
	was.Children = k.children(t)
	return was
}

// later reports whether anything has happened to the child since.
func (k *track) later() bool { return k.next != nil }

// children returns the children of a supervisor as they were.
func (k *then) children(t *supervisor.Tree) []supervisor.Tree {
	kids := make([]supervisor.Tree, 0, len(t.Children))
	known := map[string]bool{}
	for i := range t.Children {
		kid := t.Children[i]
		if k.paths[kid.Path] != nil {
			known[kid.Path] = true
		}
		st, there := k.status(kid.Status, false, true)
		if !there {
			continue
		}
		kid.Status = st
		if kid.Supervisor {
			kid.Children = k.children(&kid)
		}
		kids = append(kids, kid)
	}
	// Those that are gone by now.
	for _, path := range k.kids[t.Path] {
		if track := k.paths[path]; known[path] || track.next == nil {
			continue
		}
		st, there := k.status(child.Status{Name: base(path), Path: path, Restart: child.Temporary, Added: true}, false, false)
		if !there {
			continue
		}
		gone := supervisor.Tree{Status: st}
		if len(k.kids[path]) > 0 {
			gone.Supervisor = true
			gone.Children = k.children(&supervisor.Tree{Status: child.Status{Path: path}})
		}
		kids = append(kids, gone)
	}
	return kids
}

// status returns how a child was, and whether it was there. now is its status now; exists
// says whether it has one.
func (k *then) status(now child.Status, root, exists bool) (child.Status, bool) {
	track := k.paths[now.Path]
	if k.textless && (track == nil || track.text == nil) { // what is there now may have come since
		now.Text = ""
	}
	if track == nil || !track.later() {
		return now, exists
	}
	was := child.Status{Name: now.Name, Path: now.Path, Restart: now.Restart, Supervisor: now.Supervisor, Added: now.Added}
	if now.LastError != nil && !now.LastErrorAt.After(k.at) {
		was.LastError, was.LastErrorAt = now.LastError, now.LastErrorAt
	}
	if f := track.failed; f != nil {
		was.LastError, was.LastErrorAt = &remembered{f.err, f.cause}, f.at
	}
	switch {
	case track.text != nil:
		was.Text = track.text.text
	case !track.laterText && track.nextState == nil:
		was.Text = now.Text
	}
	if track.run != nil {
		was.Run = track.run.run
	} else if n := track.next; n != nil && n.kind != supervisor.EventStarting {
		was.Run = n.run
	}
	if s := track.suspended; s != nil {
		was.Suspended = s.kind == supervisor.EventSuspended
	}
	if root {
		was.State, was.Since = now.State, now.Since
		track.phaseOf(&was)
		was.GaveUp = track.gaveUp && was.State == child.Stopped
		return was, true
	}
	switch {
	case track.state != nil:
		was, there := k.from(was, track.state)
		was.GaveUp = track.gaveUp && (was.State == child.Done || was.State == child.Stopped)
		return was, there
	case track.nextState != nil:
		k.guesses[now.Path] = true
		return k.before(was, track.nextState, exists)
	}
	was.State, was.Since, was.Restarts = now.State, now.Since, now.Restarts
	was.Unready, was.NextStart, was.StopBy, was.Failing, was.Hung, was.GaveUp = now.Unready, now.NextStart, now.StopBy, now.Failing, now.Hung, now.GaveUp
	return was, exists
}

// from returns the status of a child after an event.
func (k *then) from(was child.Status, rec *record) (child.Status, bool) {
	was.Since, was.Restarts = rec.at, rec.restarts
	switch rec.kind {
	case supervisor.EventStarting:
		was.State, was.Failing = child.Starting, rec.reason == supervisor.ReasonFailed
	case supervisor.EventReady:
		was.State = child.Running
	case supervisor.EventUnready:
		was.State, was.Unready = child.Running, errors.New(rec.err)
	case supervisor.EventFailed:
		was.State, was.Failing = child.Waiting, true // if it is restarted at once, that has the same time
	case supervisor.EventRestarting:
		was.State, was.Failing = child.Waiting, rec.reason == supervisor.ReasonFailed
		if was.Failing && was.LastError != nil { // it has waited since its failure
			was.Since = was.LastErrorAt
		}
		if rec.delay > 0 {
			was.NextStart = rec.at.Add(rec.delay)
		}
	case supervisor.EventCompleted:
		was.State = child.Done
	case supervisor.EventStopping:
		was.State = child.Stopping
	case supervisor.EventHung:
		was.State, was.Hung = child.Stopping, true
	case supervisor.EventRemoved:
		return was, false
	default: // stopped, abandoned
		was.State = child.Stopped
	}
	return was, true
}

// before returns the status of a child before an event that changed it.
func (k *then) before(was child.Status, rec *record, exists bool) (child.Status, bool) {
	was.Restarts = rec.restarts
	switch rec.kind {
	case supervisor.EventStarting:
		switch {
		case rec.restarts > 0:
			was.State, was.Restarts, was.Failing = child.Waiting, rec.restarts-1, rec.reason == supervisor.ReasonFailed
		case rec.reason == supervisor.ReasonStartChild || !exists:
			return was, false
		default:
			was.State = child.Stopped
		}
	case supervisor.EventReady:
		was.State, was.Failing = child.Starting, rec.reason == supervisor.ReasonFailed
	case supervisor.EventStopped, supervisor.EventAbandoned:
		was.State = child.Stopping
	case supervisor.EventRestarting:
		was.State, was.Restarts, was.Failing = child.Waiting, max(0, rec.restarts-1), rec.reason == supervisor.ReasonFailed
	case supervisor.EventRemoved:
		was.State = child.Stopped
	case supervisor.EventFailed, supervisor.EventCompleted, supervisor.EventStopping:
		was.State = child.Starting
		if rec.ready {
			was.State = child.Running
		}
	default: // unready, hung
		was.State = child.Running
	}
	return was, true
}

// phaseOf gives a root the state that its own events say.
func (t *track) phaseOf(was *child.Status) {
	switch {
	case t.phase != nil:
		was.Since = t.phase.at
		switch t.phase.kind {
		case supervisor.EventUp, supervisor.EventDraining:
			was.State = child.Running
		case supervisor.EventClosing:
			was.State = child.Stopping
		default:
			was.State = child.Stopped
		}
	case t.nextPhase != nil:
		switch t.nextPhase.kind {
		case supervisor.EventUp:
			was.State = child.Starting
		case supervisor.EventOver:
			was.State = child.Stopping
		default:
			was.State = child.Running
		}
	}
}

// A remembered is an error of which only the texts are remembered.
type remembered struct{ text, cause string }

func (e *remembered) Error() string { return e.text }

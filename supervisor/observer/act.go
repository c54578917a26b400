package observer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// mostBody is the size of a request for an action.
const mostBody = 64 << 10

// crossOrigin refuses requests that a page of another origin has made.
var crossOrigin = http.NewCrossOriginProtection()

func (o *Observer) serveAct(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return refuse(http.StatusMethodNotAllowed, "use POST")
	}
	if err := crossOrigin.Check(r); err != nil {
		return refuse(http.StatusForbidden, "a page of another origin has made this request")
	}
	if o.spec.Act == nil {
		return refuse(http.StatusForbidden, "read-only: to permit actions, set Act in observer.Spec")
	}
	if o.root == nil {
		return refuse(http.StatusServiceUnavailable, "there is no tree")
	}
	act, err := readAct(w, r)
	if err != nil {
		return err
	}
	o.held.catchUp(r.Context())
	m := o.build() // as it is at this moment
	i := m.find(act.Path)
	if !o.spec.Act(r, act.Action, act.Path) { // before it is said whether there is such a child
		return refuse(http.StatusForbidden, "you may not %s %s", act.Action, short(act.Path, view.MaxText/2))
	}
	if i < 0 {
		return refuse(http.StatusNotFound, "no child has the path %q now", short(act.Path, view.MaxText/2))
	}
	if run := m.items[i].tree.Run; run != act.Run {
		return otherRun(run)
	}
	if (act.Action == Suspend || act.Action == Resume) && m.supers[i] == nil && m.items[i].tree.State.Alive() {
		return refuse(http.StatusUnprocessableEntity, "%s is not a supervisor: there is nothing to %s in it", m.items[i].tree.Path, act.Action)
	}
	if !m.possible(i, act.Action) {
		return refuse(http.StatusUnprocessableEntity, "%s is %v: it cannot %s now", m.items[i].tree.Path, m.items[i].look, act.Action)
	}
	choice := o.choice(m, i, act.Action)
	if choice.Force && !act.Force {
		return refuse(http.StatusPreconditionRequired, "%s serves this page, which goes away with it: set force to %s it nevertheless", o.serves, act.Action)
	}
	defer o.latest.drop()
	done := view.Acted{V: view.Version, Seq: o.memory.latest()}
	if choice.Force {
		return o.actLater(w, r, act, done)
	}
	if err := o.act(r.Context(), o.who(r), act); err != nil {
		var stop *supervisor.StopError
		switch {
		case errors.Is(err, supervisor.ErrOtherRun):
			now, _ := o.root.Lookup(act.Path)
			return otherRun(now.Run)
		case errors.As(err, &stop): // it was done
			done.Note = brief(err)
		case errors.Is(err, supervisor.ErrNotFound):
			return refuse(http.StatusNotFound, "%s", brief(err))
		default:
			return refuse(http.StatusUnprocessableEntity, "%s", brief(err))
		}
	}
	if st, ok := o.root.Lookup(act.Path); ok {
		done.Run = st.Run
	}
	writeJSON(w, r, http.StatusOK, done)
	return nil
}

func otherRun(now uint64) error {
	return &refusal{status: http.StatusConflict, text: "the child has another run by now: look at it again", nowRun: &now}
}

// readAct reads the request for an action.
func readAct(w http.ResponseWriter, r *http.Request) (view.Act, error) {
	var act view.Act
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return act, refuse(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return act, refuse(http.StatusRequestEntityTooLarge, "the request is longer than %d bytes", mostBody)
	case err != nil:
		return act, refuse(http.StatusBadRequest, "the request could not be read")
	}
	if err := json.Unmarshal(text, &act); err != nil {
		return act, refuse(http.StatusBadRequest, "the request is not an action: %s", brief(err))
	}
	for _, known := range allActions {
		if act.Action == known {
			return act, nil
		}
	}
	return act, refuse(http.StatusBadRequest, "action: must be restart, stop, start, suspend or resume")
}

// act carries out an action and returns when it is done, or when ctx ends.
func (o *Observer) act(ctx context.Context, by string, act view.Act) error {
	ctx = supervisor.WithRequest(ctx, supervisor.Request{By: by, Run: act.Run})
	switch act.Action {
	case Restart, Start:
		return o.root.RestartChild(ctx, act.Path)
	case Stop:
		return o.root.StopChild(ctx, act.Path)
	}
	s, ok := o.nested(act.Path)
	if !ok {
		return supervisor.ErrNotFound
	}
	if act.Action == Suspend {
		s.Suspend(ctx)
	} else {
		s.Resume(ctx)
	}
	return nil
}

// who names the operator.
func (o *Observer) who(r *http.Request) string {
	by := ""
	if o.spec.Who != nil {
		by = brief(o.spec.Who(r))
	}
	if by == "" {
		by = r.RemoteAddr
	}
	if by == "" || by == "@" {
		by = "unix socket"
	}
	return by
}

// actLater answers first and then stops what serves the answer: its server waits for this
// handler. The goroutine ends when the action is done, when the child that serves was asked
// to stop, or after a minute.
func (o *Observer) actLater(w http.ResponseWriter, r *http.Request, act view.Act, done view.Acted) error {
	by := o.who(r)
	done.Later = true
	writeJSON(w, r, http.StatusOK, done)
	if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil // the client has left and does not know that this was accepted: do nothing
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	go func() {
		defer cancel()
		stop := context.AfterFunc(o.ctx, cancel)
		defer stop()
		_ = o.act(ctx, by, act) // the log has it
	}()
	return nil
}

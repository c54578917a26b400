package otptest

import (
	"errors"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// An act is something that a run records about itself: that it starts or ends.
type act struct {
	run  *realRun
	text string
	ends bool // the act is the end of the run
	seen bool // it is in the trace
}

// A merger merges the acts of the runs and the events of the supervisors into one trace.
// The acts are in the order in which they happened. The supervisor emits an event for each
// end of a run, so a report follows the act that its event refers to.
type merger struct {
	tree       *realTree
	latest     map[string]*realRun // latest run by path, according to the events
	begun      map[string]int      // runs so far, by path
	ready      map[string]bool     // whether the latest run was ready, by path
	asked      string              // path of the child that a call starts
	stopping   string              // path of the child that a call stops
	stopErrors map[string][]string // reports of a simple_one_for_one that ends, by path
}

func newMerger(t *realTree) *merger {
	return &merger{
		tree:       t,
		latest:     make(map[string]*realRun),
		begun:      make(map[string]int),
		ready:      make(map[string]bool),
		stopErrors: make(map[string][]string),
	}
}

// merge adds what has happened since the previous call to the trace.
func (t *realTree) merge() {
	t.mu.Lock()
	acts, told := t.acts, t.told
	t.acts, t.told = nil, nil
	t.mu.Unlock()
	m := t.merger
	for _, e := range told {
		m.event(acts, e)
	}
	m.writeUpTo(acts, len(acts))
	m.asked, m.stopping = "", ""
}

func (m *merger) event(acts []act, e supervisor.Event) {
	t := m.tree
	if e.Lost > 0 {
		t.log("fault: events were lost: %d", e.Lost)
	}
	r := m.latest[e.Path]
	switch e.Kind {
	case supervisor.EventStarting:
		i := m.begun[e.Path]
		m.begun[e.Path]++
		m.ready[e.Path] = false
		m.latest[e.Path] = t.runs[e.Path][i]
	case supervisor.EventReady:
		m.ready[e.Path] = true
		m.settled(e.Path)
	case supervisor.EventFailed, supervisor.EventCompleted:
		reason := m.end(acts, r, e)
		byItself := m.ready[e.Path]
		asked := m.settled(e.Path)
		switch {
		case byItself && EndIsReported(t.node(e.Path).restart(), reason):
			m.report("child_terminated", e.Path, reason)
		case !byItself && e.Kind == supervisor.EventFailed && !asked:
			m.report("start_error", e.Path, "-")
		}
	case supervisor.EventStopped:
		reason := m.end(acts, r, e)
		if StopIsReported(m.spec(e.Path), reason) {
			m.report("shutdown_error", e.Path, reason)
		}
	case supervisor.EventAbandoned:
		r.left = true
		t.log("stop %s killed", r.label)
		if StopIsReported(m.spec(e.Path), "killed") {
			m.report("shutdown_error", e.Path, "killed")
		}
	case supervisor.EventGaveUp:
		var gaveUp *supervisor.GaveUpError
		if !errors.As(e.Err, &gaveUp) || gaveUp.Path != e.Path {
			t.log("fault: %s gave up: %v", e.Path, e.Err)
			return
		}
		m.report("shutdown", gaveUp.Child, "reached_max_restart_intensity")
	}
}

// settled notes that a start has succeeded or failed, and reports whether a call had
// requested it.
func (m *merger) settled(path string) bool {
	if m.asked != path {
		return false
	}
	m.asked = ""
	return true
}

// end writes all acts up to the end of r and returns the reason of that end.
func (m *merger) end(acts []act, r *realRun, e supervisor.Event) string {
	for i, a := range acts {
		if a.run != r || !a.ends {
			continue
		}
		m.writeUpTo(acts, i+1)
		if !r.returned(e.Err) {
			m.tree.log("fault: %v returned %v, and %v is told", r, r.err, e.Err)
		}
		return a.text[strings.LastIndexByte(a.text, ' ')+1:]
	}
	m.tree.log("fault: %v did not end: %v", r, e.Kind)
	return ""
}

// returned reports whether err is what r returned.
func (r *realRun) returned(err error) bool {
	var panicked *child.PanicError
	if errors.As(err, &panicked) {
		return panicked.Value == ended("panic")
	}
	return err == r.err
}

// writeUpTo writes those of the first n acts that are not in the trace yet.
func (m *merger) writeUpTo(acts []act, n int) {
	for i := range acts[:n] {
		a := &acts[i]
		if a.seen || a.run.left {
			continue
		}
		a.seen = true
		if a.ends || a.run.path == m.tree.rootPath {
			m.writeStopErrors(a.run)
		}
		m.tree.log("%s", a.text)
	}
}

// report writes a report of the supervisor above path.
func (m *merger) report(context, path, detail string) {
	sup := dir(path)
	id := base(path)
	if node := m.tree.node(sup); node.Simple() {
		id = node.Template().ID
		if context == "shutdown_error" && m.stopping != path {
			if !slices.Contains(m.stopErrors[sup], detail) {
				m.stopErrors[sup] = append(m.stopErrors[sup], detail)
			}
			return
		}
	}
	m.tree.log("report %s %s %s %s", m.label(sup), context, id, detail)
}

// writeStopErrors writes the reports that were postponed until the end of a simple_one_for_one.
func (m *merger) writeStopErrors(r *realRun) {
	all := m.stopErrors[r.path]
	delete(m.stopErrors, r.path)
	slices.Sort(all)
	for _, reason := range all {
		m.tree.log("report %s shutdown_error %s %s", r.label, m.tree.node(r.path).Template().ID, reason)
	}
}

func (m *merger) label(path string) string {
	if path == m.tree.rootPath {
		return m.tree.scenario.Root().Label
	}
	return m.latest[path].label
}

func (m *merger) spec(path string) child.Spec { return m.tree.node(path).ChildSpec(base(path)) }

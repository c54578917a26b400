package observer

import (
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// lastEvents is the number of events that the view of one child has.
const lastEvents = 20

func (o *Observer) serveChild(w http.ResponseWriter, r *http.Request) error {
	m, err := o.model(r)
	if err != nil {
		return err
	}
	i, err := m.named(r)
	if err != nil {
		return err
	}
	it := &m.items[i]
	v := view.Child{V: view.Version, Now: time.Now(), Node: m.node(i), Acts: []view.Choice{}}
	by := ""
	if m.past {
		v.At = m.at.Truncate(time.Millisecond)
	} else {
		o.memory.about(v.Node)
		by = v.Node.By
		v.Acts = o.choices(r, m, i)
	}
	v.Say = m.say(i, by)
	switch s := &it.tree.Status; {
	case s.Unready != nil:
		v.Error = long(s.Unready)
	case s.LastError != nil:
		v.Error = long(s.LastError)
	}
	v.Spec = o.specWords(m, i)
	v.Next = m.follows(i, by, o)
	o.memory.tell(&v, m)
	writeJSON(w, r, http.StatusOK, v)
	return nil
}

// tell adds the events of a child, and what is remembered of it.
func (m *memory) tell(v *view.Child, of *model) {
	all := m.all()
	m.mu.Lock()
	defer m.mu.Unlock()
	path := v.Node.Path
	v.Events = []view.Event{}
	said := map[string]bool{}                      // children whose latest status text is among them
	if v.Node.Look == string(wellness.Abandoned) { // its latest event is that its new run is ready
		v.Why = abandoned(all, path, of)
	}
	for i := len(all) - 1; i >= 0; i-- {
		rec := &all[i]
		if of.past && rec.at.After(of.at) || !under(rec.path, path) {
			continue
		}
		if old := rec.kind == supervisor.EventStatus && said[rec.path]; !old && len(v.Events) < lastEvents {
			v.Events = append(v.Events, rec.view())
			said[rec.path] = said[rec.path] || rec.kind == supervisor.EventStatus
		}
		if v.Why == 0 && rec.path == path && explains(rec.kind) {
			v.Why = rec.seq
		}
		if v.Why != 0 && len(v.Events) == lastEvents {
			break
		}
	}
	if of.past {
		return
	}
	for _, p := range m.panics {
		if p.path == path {
			v.Panic = &view.Panic{Run: p.run, At: p.at, Text: p.text, Stack: p.stack}
		}
	}
	if p, ok := m.paths.get(path); ok && p.failures > 0 {
		v.History = &view.History{
			Failures: p.failures, First: p.first.at, FirstText: p.first.text, FirstSeq: p.first.seq,
			Last: p.last.at, LastText: p.last.text, LastSeq: p.last.seq,
		}
	}
}

// abandoned returns the number of the event that the latest run was abandoned that has not
// returned since, or zero.
func abandoned(all []record, path string, of *model) uint64 {
	returned := map[uint64]bool{}
	for i := len(all) - 1; i >= 0; i-- {
		rec := &all[i]
		switch {
		case rec.path != path || of.past && rec.at.After(of.at):
		case rec.kind == supervisor.EventLateExit:
			returned[rec.run] = true
		case rec.kind == supervisor.EventAbandoned && !returned[rec.run]:
			return rec.seq
		}
	}
	return 0
}

// explains reports whether an event of a child says why it is as it is.
func explains(kind supervisor.EventKind) bool {
	switch kind {
	case supervisor.EventStatus, supervisor.EventError, supervisor.EventRequest, supervisor.EventSlowStart, supervisor.EventLateExit:
		return false
	}
	return true
}

// allActions are the actions, in the order of the buttons.
var allActions = []view.Action{Restart, Stop, Start, Suspend, Resume}

// choices returns what may be requested for a child, and what that means.
func (o *Observer) choices(r *http.Request, m *model, i int32) []view.Choice {
	all := []view.Choice{}
	if o.spec.Act == nil {
		return all
	}
	for _, a := range allActions {
		if m.possible(i, a) && o.spec.Act(r, a, m.items[i].tree.Path) {
			all = append(all, o.choice(m, i, a))
		}
	}
	return all
}

// possible reports whether an action makes sense for a child as it is.
func (m *model) possible(i int32, a view.Action) bool {
	it := &m.items[i]
	s := &it.tree.Status
	runs := s.State.Alive() || s.State == child.Waiting
	switch a {
	case Restart, Stop:
		return it.parent >= 0 && runs
	case Start:
		return it.parent >= 0 && !runs
	case Suspend:
		return m.supers[i] != nil && s.State.Alive() && !s.Suspended
	case Resume:
		return m.supers[i] != nil && s.State.Alive() && s.Suspended
	}
	return false
}

// mostAlso is the number of children that a choice names.
const mostAlso = 20

// choice says what an action means: whom else it concerns, and how long it may take.
func (o *Observer) choice(m *model, i int32, a view.Action) view.Choice {
	it := &m.items[i]
	path := it.tree.Path
	c := view.Choice{Action: a, Run: it.tree.Run, Also: []string{}}
	also := func(k int32) {
		c.AlsoN++
		if m.items[k].level < wellness.Trouble && m.items[k].tree.State == child.Running {
			c.WellN++
		}
		if len(c.Also) < mostAlso {
			c.Also = append(c.Also, m.items[k].tree.Path)
		}
		c.Force = c.Force || m.serves != "" && m.items[k].tree.Path == m.serves
	}
	below := func(top int32) {
		for k := top + 1; k < m.items[top].end; k++ {
			also(k)
		}
	}
	stops := a == Restart || a == Stop
	if stops {
		c.Force = m.serves != "" && path == m.serves
		below(i)
		c.Longest = o.longestStop(m, i)
	}
	switch a {
	case Restart:
		c.Text = "It is stopped and started again. That does not count as a restart."
		if it.tree.State == child.Waiting {
			c.Text = "It is started now" + m.with(i) + ". That does not count as a restart."
		}
		others, sup := m.companions(i)
		if graph := sup >= 0 && m.items[sup].tree.Strategy == strategy.Graph; graph && it.tree.State != child.Waiting {
			c.Text = "It is stopped and started again" + m.with(i) + ". That does not count as a restart."
		} else if it.tree.State != child.Waiting {
			others = nil
		}
		for _, k := range others {
			also(k)
			below(k)
		}
	case Stop:
		c.Text = "It is stopped and stays so until it is started. Siblings that wait to be restarted with it stay stopped too."
		if up := m.items[it.parent].tree; up.Strategy.String() == "independent" || it.tree.Restart == child.Temporary {
			c.Text = "It is stopped and removed."
		}
		if up := m.items[it.parent].tree; up.Strategy == strategy.Graph {
			for _, k := range m.dependents(i) {
				also(k)
				below(k)
				c.Text = "It is stopped and stays so until it is started, and so do those that need it."
			}
		}
	case Start:
		c.Text = "It is started, with fresh counts."
	case Suspend:
		c.Text = "What is running keeps running. Nothing is started or restarted in it until Resume."
	case Resume:
		c.Text = "What has been waiting since Suspend is started."
	}
	return c
}

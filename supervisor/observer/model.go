package observer

import (
	"errors"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A model is a tree at a moment and what follows from it. It is made once for each
// snapshot, shared by the answers, and not changed any more.
type model struct {
	at   time.Time // the moment
	past bool      // it is rebuilt from events
	seq  uint64    // number of the last event when it was begun; of a model of now

	draining bool   // the root waits for its Spec.Drain
	items    []item // the root, then each child before those below it, in start order
	supers   map[int32]*super
	groups   []*group // by the order of their first member
	byForm   map[string]int32
	serves   string // path of the child that serves the answers; empty if none does
	state    view.State

	recovered []view.Recovered
	ring      view.Ring
	started   time.Time
	worst     *view.Worst
	causes    []view.Cause // all, in order
	since     time.Time
}

// An item is a child of a model.
type item struct {
	tree    *supervisor.Tree
	parent  int32 // index of its supervisor; -1 for the root
	end     int32 // index after the last one below it
	group   int32 // index of its cause; -1 if it is well
	look    wellness.Look
	level   wellness.Level
	dynamic bool // it, or a supervisor above it, was added by StartChild
	guess   bool // of the past: inferred from later events
}

// A super is what is known of a supervisor.
type super struct {
	all, trouble int // below it
	counts       map[string]int
	kids         int // children of its own
	dynamic, bad int // of those that are dynamic, and in trouble
	badTotal     int // of its own children, in trouble
	degraded     bool
	named        map[string]int32 // under strategy.Graph: its own children by name
}

// A group is the children that fail alike.
type group struct {
	form    string
	text    shared
	members []int32
	super   map[int32]int // number of members by supervisor
	worst   int32         // the member in the worst state
	fails   bool          // its text is an error, not a text of our own
}

// build makes a model of a tree.
func build(tree *supervisor.Tree, at time.Time, share float64) *model {
	m := &model{at: at, supers: map[int32]*super{}, byForm: map[string]int32{}}
	m.items = make([]item, 0, 64)
	m.add(tree, -1, false, share)
	m.state = m.judge()
	return m
}

// add adds a subtree and returns the index of its top.
func (m *model) add(t *supervisor.Tree, parent int32, dynamic bool, share float64) int32 {
	at := int32(len(m.items))
	m.items = append(m.items, item{tree: t, parent: parent, group: -1, dynamic: dynamic})
	look, level := wellness.Of(&t.Status, m.at)
	if look == wellness.Stopped && m.inLine(at) {
		look = wellness.Pending
	}
	starts := false // some child of it does
	if t.Supervisor {
		s := &super{counts: map[string]int{}, kids: len(t.Children)}
		m.supers[at] = s
		if t.Strategy == strategy.Graph {
			s.named = make(map[string]int32, len(t.Children))
		}
		for i := range t.Children {
			kid := &t.Children[i]
			k := m.add(kid, at, dynamic || kid.Added, share)
			if s.named != nil {
				s.named[kid.Name] = k
			}
			it := &m.items[k]
			s.all++
			s.counts[string(it.look)]++
			if it.level > wellness.Well {
				s.trouble++
			}
			starts = starts || kid.State == child.Starting || it.level > wellness.Well
			bad := it.level >= wellness.Trouble
			if bad {
				s.badTotal++
			}
			if kid.Added {
				s.dynamic++
				if bad {
					s.bad++
				}
			}
			if below := m.supers[k]; below != nil {
				s.all += below.all
				s.trouble += below.trouble
				for look, n := range below.counts {
					s.counts[look] += n
				}
			}
		}
		if s.degraded = wellness.Degraded(s.dynamic, s.bad, share); s.degraded && level < wellness.Trouble {
			look, level = wellness.Degrades, wellness.Trouble
		}
	}
	if starts && look == wellness.Starting && level == wellness.Notice && t.Abandoned == 0 {
		level = wellness.Well // its start is that of its children: what takes long is there
	}
	it := &m.items[at]
	it.look, it.level, it.end = look, level, int32(len(m.items))
	if level > wellness.Well && look != wellness.Degrades {
		m.blame(at)
	}
	return at
}

// blame puts a child that is not well into the group of its cause.
func (m *model) blame(at int32) {
	it := &m.items[at]
	text, fails := reasonOf(&it.tree.Status, it.look, it.level)
	masked := mask(text)
	i, ok := m.byForm[masked.form]
	if !ok {
		i = int32(len(m.groups))
		m.byForm[masked.form] = i
		m.groups = append(m.groups, &group{form: masked.form, super: map[int32]int{}, worst: at, fails: fails})
	}
	g := m.groups[i]
	g.text.add(masked)
	g.members = append(g.members, at)
	g.super[it.parent]++
	if it.level > m.items[g.worst].level {
		g.worst = at
	}
	it.group = i
}

// reasonOf returns why a child is not well, and whether that is an error.
func reasonOf(s *child.Status, look wellness.Look, level wellness.Level) (text string, fails bool) {
	err := s.LastError
	switch {
	case s.Unready != nil && look == wellness.Unready:
		err = s.Unready
	case look == wellness.Abandoned:
		return abandonedText, false
	case look == wellness.Hung:
		return child.ErrHung.Error(), true
	case look == wellness.Waiting && level == wellness.Notice:
		return waitsText, false
	case look == wellness.Starting && !s.Failing:
		return slowText, false
	case err == nil && s.Abandoned > 0:
		return abandonedText, false
	}
	if err == nil {
		return waitsText, false
	}
	err, _ = causeOf(err)
	return about(s.Path, err), true
}

// causeOf returns the error that stands for the cause of err, and whether that is another
// one: if a supervisor has given up, the error of its child, so that both have the same
// cause.
func causeOf(err error) (cause error, other bool) {
	if past, ok := err.(*remembered); ok && past.cause != "" {
		return &remembered{text: past.cause}, true
	}
	var gaveUp *supervisor.GaveUpError
	for range 100 { // an error with methods of its own may go round in a circle
		if !asGaveUp(err, &gaveUp) || gaveUp.Err == nil {
			break
		}
		err, other = gaveUp.Err, true
	}
	return err, other
}

// asGaveUp is errors.As for errors with untrusted methods.
func asGaveUp(err error, to **supervisor.GaveUpError) (found bool) {
	defer func() { _ = recover() }()
	return errors.As(err, to)
}

// judge says whether the tree is well.
func (m *model) judge() view.State {
	root := &m.items[0]
	switch root.tree.State {
	case child.Stopped, child.Done:
		return view.Down
	case child.Stopping:
		return view.Stopping
	}
	for i := range m.items {
		if it := &m.items[i]; it.level > wellness.Well && !it.dynamic {
			return view.Degraded
		}
	}
	if root.tree.State == child.Starting {
		return view.Starting
	}
	return view.Well
}

// find returns the index of the child at a path, or -1.
func (m *model) find(path string) int32 {
	for i := int32(0); i < int32(len(m.items)); {
		it := &m.items[i]
		switch {
		case it.tree.Path == path:
			return i
		case under(path, it.tree.Path) && m.supers[i] != nil:
			i++ // it is below
		default:
			i = it.end
		}
	}
	return -1
}

// node describes a child, without what is below it.
func (m *model) node(i int32) *view.Node {
	it := &m.items[i]
	s := &it.tree.Status
	n := &view.Node{
		Name: valid(s.Name, view.MaxText), Path: s.Path, State: s.State, Since: s.Since, Restarts: s.Restarts, Run: s.Run,
		Restart: s.Restart, LastErrorAt: s.LastErrorAt, NextStart: s.NextStart, Abandoned: s.Abandoned,
		Text: valid(s.Text, view.MaxText), StopBy: s.StopBy, Hung: s.Hung, GaveUp: s.GaveUp, Suspended: s.Suspended, Declined: s.Declined,
		Supervisor: s.Supervisor, Look: string(it.look), Trouble: int(it.level), Dynamic: it.dynamic, Guess: it.guess,
		Slow:   s.State == child.Starting && m.at.Sub(s.Since) > wellness.SlowStart,
		Serves: m.serves != "" && under(m.serves, s.Path),
		Needs:  someNames(it.tree.Needs), After: someNames(it.tree.After), Waits: someNames(m.waitsFor(i)),
	}
	if s.LastError != nil {
		n.LastError = about(s.Path, s.LastError)
	}
	if s.Unready != nil {
		n.Unready = about(s.Path, s.Unready)
	}
	if sup := m.supers[i]; sup != nil {
		kind := it.tree.Strategy
		n.Strategy, n.Degraded, n.All, n.Tr, n.Counts = &kind, sup.degraded, sup.all, sup.trouble, sup.counts
		if s.State == child.Running || s.State == child.Starting {
			n.Intensity, n.Counted = it.tree.Intensity.String(), it.tree.Counted
		}
	}
	return n
}

// text returns what a filter looks at.
func (m *model) texts(i int32) []string {
	s := &m.items[i].tree.Status
	all := []string{s.Path, s.Text}
	for _, err := range []error{s.LastError, s.Unready} {
		if err != nil {
			all = append(all, short(oneline.Sprint(err), 4*view.MaxText))
		}
	}
	return all
}

package supervisor

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/strategy"
)

// A Tree is a snapshot of a supervisor or a child and everything that runs below it. Each
// supervisor is looked at separately, from the root down.
type Tree struct {
	child.Status
	Strategy strategy.Strategy // of a supervisor
	Children []Tree            // of a supervisor: its children in start order

	// Of a child of a Graph supervisor: child.Spec.Needs and After. Do not change them.
	Needs, After []string

	// Of a supervisor that runs: its limit, and how many restarts count towards it now.
	Intensity strategy.Intensity
	Counted   int

	at time.Time // when it was taken
}

// Tree returns the supervisor and everything below it. Its own status is that of Status.
func (s *Supervisor) Tree() Tree {
	t := Tree{Strategy: s.declaredSpec().Strategy, at: time.Now()}
	t.Status = s.Status()
	l := s.latest()
	if l == nil {
		return t
	}
	t.Intensity, t.Counted = l.limits()
	t.Children = l.branches(t.at)
	return t
}

// Status returns the status of the supervisor itself, in constant time. If it is nested,
// that is the status of the child it runs in. The status of a root has the state of the
// supervisor: Stopped before the start and after the end, Starting until all declared
// children have been ready, Running, Stopping. Its LastError is what Serve has returned.
// Since is zero before the first start.
func (s *Supervisor) Status() child.Status {
	l := s.latest()
	switch {
	case l == nil:
		return child.Status{Name: s.declaredSpec().name(), Path: s.Path(), State: child.Stopped, Supervisor: true}
	case l.parent == nil:
		return l.self()
	}
	above := l.parent.life
	above.lock()
	defer above.mu.Unlock()
	return above.status(l.parent.child)
}

// limits returns the limit of restarts, and how many count towards it now.
func (l *life) limits() (strategy.Intensity, int) {
	if l.isOver() {
		return strategy.Intensity{}, 0
	}
	l.lock()
	defer l.mu.Unlock()
	return l.m.Intensity(), l.m.Counted(l.now())
}

// self returns the status of a root.
func (l *life) self() child.Status {
	l.lock()
	defer l.mu.Unlock()
	since := l.look().time(l.m.Since())
	st := child.Status{Name: l.path[1:], Path: l.path, State: l.state(), Supervisor: true, Since: since}
	if st.State == child.Stopped && l.err != nil {
		st.LastError, st.LastErrorAt = l.err, since
	}
	st.Suspended, st.GaveUp = l.m.Suspended() && !l.isOver(), l.m.Phase() >= machine.Closing && l.m.End().Kind.GaveUp()
	if l.drains() {
		st.Text = ErrDraining.Error()
	}
	return st
}

// state returns the phase of the supervisor as the state of a child. l.mu must be held.
func (l *life) state() child.State {
	switch l.m.Phase() {
	case machine.Unborn, machine.Booting:
		return child.Starting
	case machine.Up:
		return child.Running
	case machine.Closing:
		return child.Stopping
	}
	return child.Stopped
}

// inner is a nested supervisor's life and its index among the children.
type inner struct {
	at   int
	life *life
}

// branches returns the children with everything below them. Locks are taken one at a
// time: the lock of a supervisor is released before the supervisors below it are looked
// at.
func (l *life) branches(at time.Time) []Tree {
	all, below := []Tree{}, []inner{}
	for {
		n, supers, k := l.fillTree(all, &below)
		if n > len(all) || supers > cap(below) {
			all, below = roomFor[Tree](n, len(all)), make([]inner, 0, supers+cap(below)/8)
			continue
		}
		all = all[:n]
		made := paths{base: l.path}
		for i := range all {
			k.finish(&all[i].Status)
			all[i].Path, all[i].at = made.of(all[i].Name), at
		}
		for _, b := range below {
			t := &all[b.at]
			t.Intensity, t.Counted = b.life.limits()
			t.Children = b.life.branches(at)
		}
		return all
	}
}

// fillTree describes the children and collects the lives of the supervisors in them, if
// there is room for both. It returns how many children and how many supervisors there
// are.
func (l *life) fillTree(room []Tree, below *[]inner) (n, supers int, k look) {
	l.lock()
	defer l.mu.Unlock()
	k = l.look()
	specs, supers := l.m.Specs(), l.m.Supervisors()
	if specs > len(room) || supers > cap(*below) {
		return specs, supers, k
	}
	for c := l.m.First(); c != nil; c = c.Next() {
		t := &room[n]
		describe(c, &t.Status)
		if c.Spec.Needs != nil || t.Needs != nil {
			t.Needs = c.Spec.Needs
		}
		if c.Spec.After != nil || t.After != nil {
			t.After = c.Spec.After
		}
		if c.Super { // otherwise no supervisor runs or ran in it
			rare := runOfChild(c).rareFields()
			if t.Strategy = rare.super.declaredSpec().Strategy; rare.nested != nil {
				*below = append(*below, inner{n, rare.nested})
			}
		}
		n++
	}
	return n, supers, k
}

// All returns an iterator over the statuses of the tree itself and everything below it,
// each supervisor before its children, in start order.
func (t Tree) All() iter.Seq[child.Status] {
	return func(yield func(child.Status) bool) { t.walk(yield) }
}

func (t *Tree) walk(yield func(child.Status) bool) bool {
	if !yield(t.Status) {
		return false
	}
	for i := range t.Children {
		if !t.Children[i].walk(yield) {
			return false
		}
	}
	return true
}

// MarshalJSON writes the fields of child.Status, what a child needs and comes after, and
// for a supervisor its strategy and children. The outermost object begins with "v", the
// version of the format, which is 1. Fields may be added to version 1, but none will change
// or be removed.
//
// encoding/json refuses more than 10,000 levels of objects and arrays, so json.Marshal
// accepts trees of up to 5,000 supervisors nested in one another. MarshalJSON has no
// limit.
func (t Tree) MarshalJSON() ([]byte, error) {
	text, err := t.appendJSON([]byte(`{"v":1,`))
	if err != nil {
		return nil, err
	}
	return text, nil
}

// appendJSON appends the fields of an object and its closing brace.
func (t *Tree) appendJSON(text []byte) ([]byte, error) {
	status, err := t.Status.MarshalJSON()
	if err != nil {
		return nil, err
	}
	text = append(text, status[1:]...)
	for _, edges := range []struct {
		field string
		names []string
	}{{"needs", t.Needs}, {"after", t.After}} {
		if len(edges.names) > 0 {
			names, err := json.Marshal(edges.names)
			if err != nil {
				return nil, err
			}
			text = fmt.Appendf(text[:len(text)-1], `,%q:%s}`, edges.field, oneline.JSON(names))
		}
	}
	if !t.Supervisor {
		return text, nil
	}
	kind, err := json.Marshal(t.Strategy)
	if err != nil {
		return nil, err
	}
	text = append(text[:len(text)-1], `,"strategy":`...)
	text = append(text, kind...)
	if t.State.Alive() {
		text = fmt.Appendf(text, `,"intensity":"%v"`, t.Intensity)
	}
	if t.Counted > 0 {
		text = fmt.Appendf(text, `,"counted":%d`, t.Counted)
	}
	text = append(text, `,"children":[`...)
	for i := range t.Children {
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = t.Children[i].appendJSON(append(text, '{')); err != nil {
			return nil, err
		}
	}
	return append(text, "]}"...), nil
}

// foldAfter is the number of similar leaves in a row that String draws in full. Longer
// rows are folded.
const foldAfter = 20

// foldShown is the number of leaves that String draws of a folded row.
const foldShown = 3

// String draws the tree, one line for each child: name, state, the strategy or a restart
// type other than the default, what it needs and comes after, restarts, next start, the
// status text, the reason if it is unready, the last error and its age. A row of more than
// twenty leaves that differ only in name, status text and age of the last error is folded.
// String prints the first line of an error, with control characters escaped. A next start
// more than a century away is printed as "never".
func (t Tree) String() string {
	var rows []row
	t.draw(&rows, "", "")
	width := 0
	for _, r := range rows {
		width = max(width, len([]rune(r.name)))
	}
	var text strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&text, "%s%s", r.name, strings.Repeat(" ", width-len([]rune(r.name))))
		if r.rest != "" {
			text.WriteString("  " + r.rest)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

type row struct{ name, rest string }

func (t *Tree) draw(rows *[]row, first, below string) {
	*rows = append(*rows, row{first + oneline.Text(t.Name), t.describe(true)})
	for i := 0; i < len(t.Children); {
		run := 1
		for i+run < len(t.Children) && alike(&t.Children[i], &t.Children[i+run]) {
			run++
		}
		shown := run
		if run > foldAfter {
			shown = foldShown
		}
		last := i+run == len(t.Children)
		for j := range shown {
			if last && j == run-1 {
				t.Children[i+j].draw(rows, below+"└─ ", below+"   ")
			} else {
				t.Children[i+j].draw(rows, below+"├─ ", below+"│  ")
			}
		}
		if shown < run {
			corner := "├─ "
			if last {
				corner = "└─ "
			}
			*rows = append(*rows, row{fmt.Sprintf("%s%s… %d more", below, corner, run-shown), t.Children[i].describe(false)})
		}
		i += run
	}
}

// alike reports whether the lines of two leaves differ only in the name and the age of
// the last error.
func alike(a, b *Tree) bool {
	return !a.Supervisor && !b.Supervisor && a.describe(false) == b.describe(false)
}

// describe returns the line of a child without its name, with or without what differs
// between like children: the status text and the age of the last error.
func (t *Tree) describe(withAge bool) string {
	parts := []string{fmt.Sprintf("%-8s", t.State)}
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if t.Supervisor {
		say("%v", t.Strategy)
	}
	if t.Restart != child.Permanent {
		say("%v", t.Restart)
	}
	if len(t.Needs) > 0 {
		say("needs %s", firstFew(t.Needs, " ", oneline.Text))
	}
	if len(t.After) > 0 {
		say("after %s", firstFew(t.After, " ", oneline.Text))
	}
	switch {
	case t.Restarts == 1:
		say("1 restart")
	case t.Restarts > 1:
		say("%d restarts", t.Restarts)
	}
	if !t.NextStart.IsZero() {
		say("%s", nextStart(t.NextStart.Sub(t.at)))
	}
	if t.Abandoned > 0 {
		say("%d abandoned", t.Abandoned)
	}
	if t.Suspended {
		say("suspended")
	}
	if t.Hung {
		say("hung")
	}
	if t.Text != "" && withAge {
		say("%s", oneline.Text(t.Text))
	}
	if t.Unready != nil {
		say("unready: %s", oneline.First(t.Unready))
	}
	if t.LastError != nil {
		say("last: %s", oneline.First(t.LastError))
		if withAge && !t.LastErrorAt.IsZero() {
			say("%s", age(t.at.Sub(t.LastErrorAt)))
		}
	}
	text := parts[0]
	if len(parts) > 1 {
		text += "  " + strings.Join(parts[1:], ", ")
	}
	return strings.TrimRight(text, " ")
}

// age formats how long ago something was, in the largest unit that fits.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 5*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh ago", d/time.Hour)
	}
	return fmt.Sprintf("%dd ago", d/day)
}

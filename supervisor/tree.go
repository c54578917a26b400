package supervisor

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// A Tree is a supervisor or a child with all that runs below it, at one moment:
// of each supervisor the moment it was looked at, from the root down.
type Tree struct {
	child.Status
	Strategy strategy.Strategy // of a supervisor
	Children []Tree            // of a supervisor, in start order

	at time.Time // when it was taken
}

// Tree returns the supervisor and all below it. The root's own status has the
// state of the supervisor: Stopped before the start and after the end, Starting
// until all declared children have been ready, Running, Stopping.
func (s *Supervisor) Tree() Tree {
	t := Tree{
		Status: child.Status{
			Name: s.spec().name(), Path: s.Path(), State: child.Stopped, Supervisor: true,
		},
		Strategy: s.spec().Strategy,
		at:       time.Now(),
	}
	l := s.latest()
	if l == nil {
		return t
	}
	if l.parent != nil { // as its parent sees it
		above := l.parent.life
		above.mu.Lock()
		t.Status = above.status(l.parent.child)
		above.mu.Unlock()
	} else {
		t.Status = l.self()
	}
	t.Children = l.branches(t.at)
	return t
}

// self is the status of a root.
func (l *life) self() child.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := child.Status{
		Name: l.path[1:], Path: l.path, Supervisor: true,
		Since: l.began.Add(l.m.Since()),
	}
	switch l.m.Phase() {
	case machine.Unborn, machine.Booting:
		st.State = child.Starting
	case machine.Up:
		st.State = child.Running
	case machine.Closing:
		st.State = child.Stopping
	default:
		st.State = child.Stopped
		st.LastError = l.err
	}
	return st
}

// inner is the life of a supervisor among children, and where it stands.
type inner struct {
	at   int
	life *life
}

// branches returns the children. Locks are taken one at a time: that of a
// supervisor is released before those below it are looked at.
func (l *life) branches(at time.Time) []Tree {
	l.mu.Lock()
	all := make([]Tree, 0, l.m.Specs())
	var below []inner
	made := paths{base: l.path}
	for c := l.m.First(); c != nil; c = c.Next() {
		t := Tree{Status: l.statusAt(c, made.of(c)), at: at}
		if c.Super { // else the run need not be looked at
			f := runOfChild(c).has()
			if t.Strategy = f.super.spec().Strategy; f.nested != nil {
				below = append(below, inner{len(all), f.nested})
			}
		}
		all = append(all, t)
	}
	l.mu.Unlock()
	for _, b := range below {
		all[b.at].Children = b.life.branches(at)
	}
	return all
}

// All returns an iterator over the tree itself and all below it, each supervisor
// before its children, in start order.
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

// MarshalJSON writes the fields of child.Status, and for a supervisor its
// strategy and children.
func (t Tree) MarshalJSON() ([]byte, error) {
	status, err := json.Marshal(t.Status)
	if err != nil || !t.Supervisor {
		return status, err
	}
	rest, err := json.Marshal(struct {
		Strategy strategy.Strategy `json:"strategy"`
		Children []Tree            `json:"children"`
	}{t.Strategy, append([]Tree{}, t.Children...)})
	if err != nil {
		return nil, err
	}
	status[len(status)-1] = ','
	return append(status, rest[1:]...), nil
}

// foldAfter is how many like leaves in a row String draws: of more it draws the
// first few and says how many there are.
const foldAfter = 20

// foldShown is how many of them it draws then.
const foldShown = 3

// String draws the tree, a line for each child: name, state, strategy or restart
// type where it is not the usual one, restarts, next start, what is wrong. More
// than twenty leaves in a row that differ in nothing but their name are folded.
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
	*rows = append(*rows, row{first + t.Name, t.describe()})
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
			*rows = append(*rows, row{fmt.Sprintf("%s%s… %d more", below, corner, run-shown), t.Children[i].describe()})
		}
		i += run
	}
}

// alike reports whether two leaves differ in nothing that is drawn but the name.
func alike(a, b *Tree) bool {
	return !a.Supervisor && !b.Supervisor && a.describe() == b.describe()
}

// describe says what is to be said of a child besides its name.
func (t *Tree) describe() string {
	parts := []string{fmt.Sprintf("%-8s", t.State)}
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if t.Supervisor {
		say("%v", t.Strategy)
	}
	if t.Restart != child.Permanent {
		say("%v", t.Restart)
	}
	switch {
	case t.Restarts == 1:
		say("1 restart")
	case t.Restarts > 1:
		say("%d restarts", t.Restarts)
	}
	if !t.NextStart.IsZero() {
		say("next start in %v", t.NextStart.Sub(t.at).Round(time.Millisecond))
	}
	if t.Abandoned > 0 {
		say("%d abandoned", t.Abandoned)
	}
	if t.Unready != nil {
		say("unready: %v", oneLine(t.Unready))
	}
	if t.LastError != nil {
		say("last: %v", oneLine(t.LastError))
	}
	text := parts[0]
	if len(parts) > 1 {
		text += "  " + strings.Join(parts[1:], ", ")
	}
	return strings.TrimRight(text, " ")
}

// oneLine is the text of an error, cut at its first line. By fmt, which survives
// an Error method that panics, as that of a typed nil.
func oneLine(err error) string {
	text, _, _ := strings.Cut(fmt.Sprint(err), "\n")
	return text
}

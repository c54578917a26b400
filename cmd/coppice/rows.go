package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

// A row is a line of the tree: a child, or several that are alike.
type row struct {
	depth    int
	branch   string // the lines in front of the name
	name     string
	look     string
	trouble  int // how bad it is
	guess    bool
	since    string
	restarts string
	detail   string
}

const (
	// foldAfter is the number of leaves in a row and alike that are all shown.
	foldAfter = 20
	// foldShown is the number of leaves that are shown of a longer row.
	foldShown = 3
)

// rowsOf returns the rows of a tree as it was at now.
func rowsOf(root *view.Node, now time.Time, d drawing) []row {
	d.now = now
	d.node(root, 0, "", "")
	return d.rows
}

// A drawing draws a tree.
type drawing struct {
	all  bool // no leaves are folded
	hide int  // from this depth on, what is well is left out and counted; zero: nothing is

	now  time.Time
	rows []row
}

// node draws a child and what is below it. Its own line begins with first, and those
// below it with below.
func (d *drawing) node(n *view.Node, depth int, first, below string) {
	d.rows = append(d.rows, row{
		depth: depth, branch: first, name: clean(n.Name), look: n.Look, trouble: n.Trouble, guess: n.Guess,
		since: age(n.Since, d.now), restarts: restarts(n.Restarts, n.Restarts), detail: detail(n, d.now),
	})
	parts := d.parts(n, d.hide > 0 && depth+1 >= d.hide)
	for i, part := range parts {
		if i < len(parts)-1 {
			part(depth+1, below+"├─ ", below+"│  ")
		} else {
			part(depth+1, below+"└─ ", below+"   ")
		}
	}
}

// parts returns how to draw what is below a supervisor: its children and its folds. With
// hide, what is well is one line at the end.
func (d *drawing) parts(n *view.Node, hide bool) (parts []func(depth int, first, below string)) {
	one := func(c *view.Node) {
		parts = append(parts, func(depth int, first, below string) { d.node(c, depth, first, below) })
	}
	children, hidden := n.Children, 0
	if hide {
		children = nil
		for _, c := range n.Children {
			if c.Trouble > 0 || c.Tr > 0 {
				children = append(children, c)
			} else {
				hidden += 1 + c.All
			}
		}
	}
	for i := 0; i < len(children); {
		run := 1
		for !d.all && i+run < len(children) && alike(children[i], children[i+run]) {
			run++
		}
		shown := run
		if run > foldAfter {
			shown = foldShown
		}
		for _, c := range children[i : i+shown] {
			one(c)
		}
		if rest := run - shown; rest > 0 {
			c := children[i]
			parts = append(parts, func(depth int, first, _ string) {
				d.rows = append(d.rows, row{depth: depth, branch: first, name: fmt.Sprintf("… %s more", count(rest)),
					look: c.Look, trouble: c.Trouble, detail: trouble(c, time.Time{})})
			})
		}
		i += run
	}
	for _, f := range n.Folds {
		if hide && f.Trouble == 0 {
			hidden += f.N
			continue
		}
		parts = append(parts, func(depth int, first, _ string) { d.rows = append(d.rows, d.fold(f, depth, first)) })
	}
	if hidden > 0 {
		parts = append(parts, func(depth int, first, _ string) {
			d.rows = append(d.rows, row{depth: depth, branch: first, name: "… " + count(hidden) + " more", look: "well"})
		})
	}
	return parts
}

// alike reports whether two leaves differ only in their names and times.
func alike(a, b *view.Node) bool {
	return !a.Supervisor && !b.Supervisor && a.Look == b.Look && a.Trouble == b.Trouble && a.Guess == b.Guess &&
		slices.Equal(a.Needs, b.Needs) && slices.Equal(a.After, b.After) && slices.Equal(a.Waits, b.Waits) &&
		trouble(a, time.Time{}) == trouble(b, time.Time{})
}

// folded names the row of n leaves, in the words of the page.
func folded(n int) string {
	if n == 1 {
		return "1 child"
	}
	return count(n) + " alike"
}

// fold returns the row of leaves that the server has folded.
func (d *drawing) fold(f view.Fold, depth int, branch string) row {
	r := row{depth: depth, branch: branch, name: folded(f.N), look: f.Look, trouble: f.Trouble,
		restarts: restarts(f.Restarts.Min, f.Restarts.Max), since: ages(f.Since, d.now)}
	var parts []string
	if f.Text != "" {
		parts = append(parts, clean(f.Text))
	}
	if !f.Next.To.IsZero() {
		parts = append(parts, "next start in "+until(f.Next.From, d.now)+" to "+until(f.Next.To, d.now))
	}
	r.detail = strings.Join(parts, ", ")
	return r
}

// detail returns further facts about a child, the most important first.
func detail(n *view.Node, now time.Time) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if !n.NextStart.IsZero() {
		say("starts in %s", until(n.NextStart, now))
	}
	if !n.StopBy.IsZero() {
		say("abandoned in %s", until(n.StopBy, now))
	}
	if text := trouble(n, now); text != "" {
		say("%s", text)
	}
	if len(n.Waits) > 0 {
		say("waits for %s", few(n.Waits))
	}
	if n.Slow {
		say("not ready yet")
	}
	if n.Abandoned > 0 {
		say("%s", counted(n.Abandoned, "abandoned run", "abandoned runs"))
	}
	if n.By != "" {
		say("by %s", clean(n.By))
	}
	switch {
	case n.All > 0 && n.Tr > 0:
		say("%s of %s in trouble", count(n.Tr), count(n.All))
	case n.All > 0:
		say("%s", counted(n.All, "child", "children"))
	}
	if n.Text != "" {
		say("%s", clean(n.Text))
	}
	if len(n.Needs) > 0 && len(n.Waits) == 0 {
		say("needs %s", few(n.Needs))
	}
	if len(n.After) > 0 && len(n.Waits) == 0 {
		say("after %s", few(n.After))
	}
	return strings.Join(parts, ", ")
}

// few lists names: "a, b and 7 others".
func few(names []string) string {
	const most = 5
	shown := make([]string, min(len(names), most))
	for i := range shown {
		shown[i] = clean(names[i])
	}
	if more := len(names) - most; more > 0 {
		return strings.Join(shown, ", ") + " and " + counted(more, "other", "others")
	}
	return strings.Join(shown, ", ")
}

// trouble returns the error of a child that is in trouble, and how old it is unless now
// is zero.
func trouble(n *view.Node, now time.Time) string {
	text := n.Unready
	if text == "" && n.Trouble > 1 {
		text = n.LastError
	}
	if text == "" {
		return ""
	}
	text = clean(text)
	if n.Unready == "" && !n.LastErrorAt.IsZero() && !now.IsZero() {
		text += ", " + short(now.Sub(n.LastErrorAt)) + " ago"
	}
	return text
}

// restarts formats a number of restarts, or the least and the most of several children.
// None are empty.
func restarts(least, most int) string {
	switch {
	case most == 0:
		return ""
	case least == most:
		return count(most)
	}
	return count(least) + "-" + count(most)
}

func age(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return short(now.Sub(since))
}

// ages formats how old the youngest and the oldest are.
func ages(s view.TimeSpan, now time.Time) string {
	young, old := age(s.To, now), age(s.From, now)
	if young == old || young == "" {
		return old
	}
	return young + "-" + old
}

// until formats the time until t. A century and more has no figure.
func until(t, now time.Time) string {
	if d := t.Sub(now); d < 100*365*24*time.Hour {
		return short(d)
	}
	return "centuries"
}

// narrow is the number of columns below which the table leaves out how long and how
// often, so that there is room for what a child says.
const narrow = 72

// table formats rows in columns, with a head. No line is wider than the terminal, unless
// its width is zero.
func table(rows []row, terminal int) []line {
	small := terminal > 0 && terminal < narrow
	head := row{name: "NAME", since: "FOR", restarts: "RESTARTS"}
	name, state, since, again := width(head.name), len("STATE"), width(head.since), width(head.restarts)
	for _, r := range rows {
		name = max(name, width(r.branch)+width(r.name))
		state = max(state, width(r.word()))
		since = max(since, width(r.since))
		again = max(again, width(r.restarts))
	}
	right := func(text string, to int) string { return pad("", to-width(text)) + text }
	format := func(r row, word span) line {
		l := line{{r.branch, dim}, {pad(r.name, name-width(r.branch)) + "  ", plain}, word, {pad("", state-width(word.text)) + "  ", plain}}
		if !small {
			l = append(l, span{right(r.since, since) + "  " + right(r.restarts, again) + "  ", plain})
		}
		l = append(l, span{r.detail, plain})
		if terminal > 0 {
			l = l.cut(terminal)
		}
		return l
	}
	out := []line{format(head, span{"STATE", plain})}
	for _, r := range rows {
		out = append(out, format(r, span{r.word(), lookStyle(r.look, r.trouble)}))
	}
	return out
}

// word returns the word for the state. A state of the past that the server infers has a
// question mark.
func (r row) word() string {
	if r.look == "" {
		return ""
	}
	if r.guess {
		return lookWord(r.look) + "?"
	}
	return lookWord(r.look)
}

package observer

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
)

// serveText draws the tree as Tree.String does.
func (o *Observer) serveText(w http.ResponseWriter, r *http.Request) error {
	m, err := o.model(r)
	if err != nil {
		return err
	}
	if m.past {
		return refuse(http.StatusBadRequest, "at: tree.txt shows the tree of now only; tree.dot, tree.mmd and tree.json have the past")
	}
	i, err := m.named(r)
	if err != nil {
		return err
	}
	writeText(w, r, m.items[i].tree.String())
	return nil
}

// A box is a node of a drawing.
type box struct {
	id, parent int // parent is -1 for the top
	lines      []string
	trouble    int
	round      bool  // a leaf
	needs      []int // boxes of children that it needs, and
	after      []int // that it comes after
}

// boxes returns the nodes of a drawing of a subtree: those of tree.json.
func (o *Observer) boxes(r *http.Request) ([]box, error) {
	m, err := o.model(r)
	if err != nil {
		return nil, err
	}
	i, err := m.named(r)
	if err != nil {
		return nil, err
	}
	left := mostRows
	var all []box
	var add func(n *view.Node, parent int)
	add = func(n *view.Node, parent int) {
		b := box{id: len(all), parent: parent, lines: []string{n.Name, n.Look}, trouble: n.Trouble, round: !n.Supervisor}
		if n.Strategy != nil {
			b.lines[1] = n.Look + ", " + n.Strategy.String()
		}
		all = append(all, b)
		for _, f := range n.Folds {
			all = append(all, box{id: len(all), parent: b.id, lines: []string{alike(f.N), f.Look}, trouble: f.Trouble, round: true})
		}
		named := make(map[string]int, len(n.Children))
		for _, kid := range n.Children {
			named[kid.Name] = len(all)
			add(kid, b.id)
		}
		for _, kid := range n.Children { // those that are folded have no box of their own
			k := &all[named[kid.Name]]
			for _, name := range kid.Needs {
				if to, shown := named[name]; shown {
					k.needs = append(k.needs, to)
				}
			}
			for _, name := range kid.After {
				if to, shown := named[name]; shown {
					k.after = append(k.after, to)
				}
			}
		}
	}
	add(m.nested(i, &left), -1)
	return all, nil
}

// colours are the fill and the border of a box by how bad its trouble is.
var colours = [...][2]string{{"#e7f3f0", "#00665a"}, {"#f1f1ee", "#7f888d"}, {"#fbf0dc", "#855000"}, {"#fbe4df", "#b3260f"}}

// serveDot draws the tree for Graphviz.
func (o *Observer) serveDot(w http.ResponseWriter, r *http.Request) error {
	all, err := o.boxes(r)
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("digraph tree {\n\trankdir=LR\n\tnode [shape=box, style=\"filled\", fontname=\"sans-serif\"]\n")
	for _, b := range all {
		style := "filled"
		if b.round {
			style = "filled,rounded"
		}
		fmt.Fprintf(&text, "\tn%d [label=\"%s\", style=%q, fillcolor=%q, color=%q]\n", b.id, dotText(b.lines), style, colours[b.trouble][0], colours[b.trouble][1])
		if b.parent >= 0 {
			fmt.Fprintf(&text, "\tn%d -> n%d\n", b.parent, b.id)
		}
	}
	for _, b := range all {
		for _, to := range b.needs {
			fmt.Fprintf(&text, "\tn%d -> n%d [label=\"needs\", style=dashed, constraint=false]\n", b.id, to)
		}
		for _, to := range b.after {
			fmt.Fprintf(&text, "\tn%d -> n%d [label=\"after\", style=dotted, constraint=false]\n", b.id, to)
		}
	}
	text.WriteString("}\n")
	writeText(w, r, text.String())
	return nil
}

// dotText escapes the lines of a label for a quoted string of Graphviz.
func dotText(lines []string) string {
	escaped := make([]string, len(lines))
	for i, line := range lines {
		escaped[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(oneline.Text(line))
	}
	return strings.Join(escaped, `\n`)
}

// serveMermaid draws the tree for Mermaid.
func (o *Observer) serveMermaid(w http.ResponseWriter, r *http.Request) error {
	all, err := o.boxes(r)
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("flowchart LR\n")
	for level, c := range colours {
		fmt.Fprintf(&text, "\tclassDef t%d fill:%s,stroke:%s,color:#16191b\n", level, c[0], c[1])
	}
	for _, b := range all {
		open, shut := `["`, `"]`
		if b.round {
			open, shut = `("`, `")`
		}
		fmt.Fprintf(&text, "\tn%d%s%s%s:::t%d\n", b.id, open, mermaidText(b.lines), shut, b.trouble)
		if b.parent >= 0 {
			fmt.Fprintf(&text, "\tn%d --> n%d\n", b.parent, b.id)
		}
	}
	for _, b := range all {
		for _, to := range b.needs {
			fmt.Fprintf(&text, "\tn%d -. needs .-> n%d\n", b.id, to)
		}
		for _, to := range b.after {
			fmt.Fprintf(&text, "\tn%d -. after .-> n%d\n", b.id, to)
		}
	}
	writeText(w, r, text.String())
	return nil
}

// mermaidText escapes the lines of a label for a quoted string of Mermaid, which has
// entities and nothing else. Everything that is neither a letter nor a digit of ASCII, nor
// harmless, becomes one.
func mermaidText(lines []string) string {
	var text strings.Builder
	for i, line := range lines {
		if i > 0 {
			text.WriteString("<br/>")
		}
		for _, r := range oneline.Text(line) {
			switch {
			case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune(" ,.-_/", r):
				text.WriteRune(r)
			default:
				fmt.Fprintf(&text, "#%d;", r)
			}
		}
	}
	return text.String()
}

// alike names n children that are drawn as one box.
func alike(n int) string {
	if n == 1 {
		return "1 child"
	}
	return count(n) + " alike"
}

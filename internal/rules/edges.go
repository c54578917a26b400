package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/naming"
)

// A Fault is a problem with the Needs or After of a spec.
type Fault struct {
	Index   int // of the spec
	Field   string
	Problem string
}

// Links are the edges of specs: for each spec in turn and each edge of it, those of Needs
// first, the number of the spec that it leads to, or NoSpec. They are nil if there are no
// edges.
type Links []int32

// NoSpec is the link of an edge to a name that no spec has.
const NoSpec = -1

// Link returns the edges of specs.
func Link(specs []child.Spec) Links {
	edges := 0
	for i := range specs {
		edges += Edges(&specs[i])
	}
	if edges == 0 {
		return nil
	}
	index := make(map[string]int32, len(specs))
	for i := range specs {
		index[specs[i].Name] = int32(i)
	}
	links := make(Links, 0, edges)
	for i := range specs {
		for e := range Edges(&specs[i]) {
			if to, known := index[Edge(&specs[i], e)]; known {
				links = append(links, to)
			} else {
				links = append(links, NoSpec)
			}
		}
	}
	return links
}

// Faults returns what is wrong with the edges of specs, taken together. Names that none of
// specs has are faults only if all is true: specs are all children that there are. Names that
// no child may have are left out: package child finds them.
func (l Links) Faults(specs []child.Spec, all bool) (faults []Fault) {
	if l == nil {
		return nil
	}
	rest := l
	for i := range specs {
		spec := &specs[i]
		for e := range Edges(spec) {
			field := "Needs"
			if e >= len(spec.Needs) {
				field = "After"
			}
			name := Edge(spec, e)
			switch to := int(rest[e]); {
			case to == NoSpec && all && possible(name):
				faults = append(faults, Fault{i, field, NoSuchChild(name)})
			case to != NoSpec && to != i && field == "Needs" && specs[to].Restart == child.Temporary:
				faults = append(faults, Fault{i, field, NeedsTemporary(name)})
			}
		}
		rest = rest[Edges(spec):]
	}
	for _, cycle := range l.cycles(specs) {
		field := "After"
		if next := specs[cycle[1%len(cycle)]].Name; slices.Contains(specs[cycle[0]].Needs, next) {
			field = "Needs"
		}
		faults = append(faults, Fault{cycle[0], field, "cycle: " + path(specs, cycle)})
	}
	return faults
}

// possible reports whether a child may have that name.
func possible(name string) bool { return name != "" && naming.Problem(name) == "" }

// HasEdges reports whether a child needs others or comes after them.
func HasEdges(spec child.Spec) bool { return Edges(&spec) > 0 }

// Edges returns the number of edges of a spec.
func Edges(spec *child.Spec) int { return len(spec.Needs) + len(spec.After) }

// Copy returns a copy of spec that shares no memory with it.
func Copy(spec child.Spec) child.Spec {
	if HasEdges(spec) {
		spec.Needs, spec.After = slices.Clone(spec.Needs), slices.Clone(spec.After)
	}
	return spec
}

// NeedsTemporary returns the problem of a child that needs a Temporary one.
func NeedsTemporary(name string) string {
	return cut(name) + " is temporary, and is removed when it ends: name it in After, or make it transient"
}

// NoSuchChild returns the problem of a child that names one that does not exist.
func NoSuchChild(name string) string { return "no such child: " + cut(name) }

// cut shortens a name that may be as long as somebody likes.
func cut(name string) string {
	const most = 128
	if len(name) <= most {
		return fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("%q...", name[:most])
}

// cycles returns a cycle of each group of specs that wait for each other. Each begins with
// its first spec. One that a spec forms with itself is left out: package child finds it.
func (l Links) cycles(specs []child.Spec) (all [][]int) {
	const (
		unseen = iota
		open
		closed
	)
	type step struct{ at, next int }                                     // next is the number of the edge to follow next
	state, first := make([]uint8, len(specs)), make([]int, len(specs)+1) // of the links of each
	for i := range specs {
		first[i+1] = first[i] + Edges(&specs[i])
	}
	for root := range specs {
		if state[root] != unseen {
			continue
		}
		stack, found := []step{{root, 0}}, false
		state[root] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if found || first[top.at]+top.next == first[top.at+1] {
				state[top.at] = closed
				stack = stack[:len(stack)-1]
				continue
			}
			to := int(l[first[top.at]+top.next])
			top.next++
			switch {
			case to == NoSpec || to == top.at:
			case state[to] == unseen:
				state[to] = open
				stack = append(stack, step{to, 0})
			case state[to] == open:
				from := slices.IndexFunc(stack, func(s step) bool { return s.at == to })
				var cycle []int
				for _, s := range stack[from:] {
					cycle = append(cycle, s.at)
				}
				least := slices.Index(cycle, slices.Min(cycle))
				all = append(all, append(cycle[least:len(cycle):len(cycle)], cycle[:least]...))
				found = true // one is enough: what else is wrong shows when it is mended
			}
		}
	}
	return all
}

// Edge returns the name at the end of edge number i of a spec.
func Edge(spec *child.Spec, i int) string {
	if i < len(spec.Needs) {
		return spec.Needs[i]
	}
	return spec.After[i-len(spec.Needs)]
}

// path returns a cycle as "a -> b -> a". The middle of a long one is left out.
func path(specs []child.Spec, cycle []int) string {
	const most = 10
	var names []string
	for i, at := range append(slices.Clone(cycle), cycle[0]) {
		switch {
		case len(cycle) <= most || i < most/2 || i > len(cycle)-most/2:
			name := specs[at].Name
			if len(name) > 64 {
				name = name[:64] + "..."
			}
			names = append(names, name)
		case i == most/2:
			names = append(names, "...")
		}
	}
	return strings.Join(names, " -> ")
}

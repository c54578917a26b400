package supervisor

import (
	"cmp"
	"slices"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// An edgeMap has the edges between the children of an explained Graph supervisor, by number.
type edgeMap struct {
	users [][]int // those that need it
	order []int   // each after those that it needs and comes after
	own   [][]int // those that it needs and comes after
	spans []span  // of the child and those that need it

	seen []int // the latest walk in which along has found a child
	walk int
	todo []int
}

// edges returns the edges between the children, or nil if there are none.
func (x *explained) edges() *edgeMap {
	if x.spec.Strategy != strategy.Graph {
		return nil
	}
	if !x.edgesKnown {
		x.edgesKnown, x.edgeMap = true, x.newEdgeMap()
	}
	return x.edgeMap
}

func (x *explained) newEdgeMap() *edgeMap {
	n, some := len(x.children), false
	index := make(map[string]int, n)
	for i, c := range x.children {
		index[c.spec.Name] = i
		some = some || rules.HasEdges(*c.spec)
	}
	if !some {
		return nil
	}
	e := &edgeMap{users: make([][]int, n), own: make([][]int, n), order: make([]int, 0, n), seen: make([]int, n)}
	for i, c := range x.children {
		for k := range rules.Edges(c.spec) {
			to, known := index[rules.Edge(c.spec, k)]
			if !known { // it comes after a name that no child has
				continue
			}
			e.own[i] = append(e.own[i], to)
			if k < len(c.spec.Needs) {
				e.users[to] = append(e.users[to], i)
			}
		}
	}
	e.sort()
	e.findSpans()
	return e
}

// sort finds the order. A spec that was never started may have a cycle, of which the order
// ignores an edge.
func (e *edgeMap) sort() {
	seen, next := make([]bool, len(e.own)), make([]int, len(e.own))
	for first := range e.own {
		if seen[first] {
			continue
		}
		seen[first] = true
		for stack := []int{first}; len(stack) > 0; {
			i := stack[len(stack)-1]
			if next[i] == len(e.own[i]) {
				stack = stack[:len(stack)-1]
				e.order = append(e.order, i)
				continue
			}
			to := e.own[i][next[i]]
			next[i]++
			if !seen[to] {
				seen[to] = true
				stack = append(stack, to)
			}
		}
	}
}

// A span is a set of children that follow each other: from the first to the one before end. In
// the zero span, the set is not known to be one.
type span struct{ first, end int }

// findSpans finds the spans of children and those that need them, directly or through others.
// The names of a span are not copied, so that those of a long row take no memory for each child.
func (e *edgeMap) findSpans() {
	e.spans = make([]span, len(e.own))
	var parts []span
	for k := len(e.order) - 1; k >= 0; k-- {
		i := e.order[k]
		parts = append(parts[:0], span{i, i + 1})
		for _, user := range e.users[i] {
			parts = append(parts, e.spans[user]) // zero if there is a cycle
		}
		e.spans[i] = joined(parts)
	}
}

// joined returns the union of some sets, which it sorts.
func joined(parts []span) span {
	slices.SortFunc(parts, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	all := parts[0]
	for _, p := range parts {
		if p.end == 0 || p.first > all.end {
			return span{}
		}
		all.end = max(all.end, p.end)
	}
	return all
}

// along returns the names of the child at i and of all that need it, directly or through others,
// in the order of names.
func (e *edgeMap) along(i int, names []string) (all []string) {
	if s := e.spans[i]; s.end > 0 {
		return names[s.first:s.end:s.end]
	}
	e.walk++
	e.seen[i] = e.walk
	found, first, last := 1, i, i
	for e.todo = append(e.todo[:0], i); len(e.todo) > 0; {
		at := e.todo[len(e.todo)-1]
		e.todo = e.todo[:len(e.todo)-1]
		for _, user := range e.users[at] {
			if e.seen[user] != e.walk {
				e.seen[user] = e.walk
				e.todo = append(e.todo, user)
				found, first, last = found+1, min(first, user), max(last, user)
			}
		}
	}
	all = make([]string, 0, found)
	for k := first; k <= last; k++ {
		if e.seen[k] == e.walk {
			all = append(all, names[k])
		}
	}
	return all
}

// longestPath returns the longest time along edges, and what makes it long. A start goes from
// what is needed to what needs it, and a stop the other way; both take the same paths.
func (e *edgeMap) longestPath(children []lasting, of func(*lasting) (time.Duration, []Part)) (longestTime time.Duration, parts []Part) {
	took, before, known := make([]time.Duration, len(children)), make([]int, len(children)), make([]bool, len(children))
	at := -1
	for _, i := range e.order {
		before[i] = -1
		for _, to := range e.own[i] {
			if known[to] && (before[i] < 0 || took[to] > took[before[i]]) {
				before[i] = to
			}
		}
		known[i] = true
		own, _ := of(&children[i])
		if took[i] = own; before[i] >= 0 {
			took[i] = machine.After(took[before[i]], own)
		}
		if at < 0 || took[i] > took[at] {
			at = i
		}
	}
	if at >= 0 {
		longestTime = took[at]
	}
	for ; at >= 0; at = before[at] {
		_, own := of(&children[at])
		parts = longest(own, parts)
	}
	return longestTime, parts
}

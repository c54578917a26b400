package observer

import (
	"cmp"
	"slices"

	"github.com/coppice-go/coppice/internal/view"
)

// Of a supervisor with more leaves than this, tree.json has folds instead of the leaves.
const mostLeaves = 50

// mostRows is the number of nodes that tree.json has at most, not counting folds.
const mostRows = 2000

// nested describes a child with everything below it: supervisors as nodes, few leaves as
// nodes, many leaves as folds. left is the number of nodes that may still be made.
func (m *model) nested(i int32, left *int) *view.Node {
	n := m.node(i)
	*left--
	s := m.supers[i]
	if s == nil {
		return n
	}
	var leaves, inner []int32
	for k := i + 1; k < m.items[i].end; k = m.items[k].end {
		if m.supers[k] != nil {
			inner = append(inner, k)
		} else {
			leaves = append(leaves, k)
		}
	}
	if len(leaves) > mostLeaves || len(leaves)+len(inner) > *left {
		n.Paged = true
		n.Folds = m.folds(leaves)
		leaves = nil
	}
	kids := slices.Concat(inner, leaves)
	slices.Sort(kids)
	for _, k := range kids {
		if *left <= 0 {
			n.Paged = true
			break
		}
		n.Children = append(n.Children, m.nested(k, left))
	}
	return n
}

// folds puts leaves that are alike together: of the same look, and if they are in trouble,
// of the same cause. The worst come first.
func (m *model) folds(leaves []int32) []view.Fold {
	type key struct {
		look    string
		group   int32
		dynamic bool
	}
	at := map[key]int{}
	var all []view.Fold
	for _, i := range leaves {
		it := &m.items[i]
		k := key{string(it.look), it.group, it.dynamic}
		j, ok := at[k]
		s := &it.tree.Status
		if !ok {
			j = len(all)
			at[k] = j
			f := view.Fold{Look: k.look, Trouble: int(it.level), Dynamic: it.dynamic, Restarts: view.Span{Min: s.Restarts, Max: s.Restarts}}
			if it.group >= 0 {
				g := m.groups[it.group]
				f.Text, f.Mask = g.text.String(), idOf(g.form)
			}
			all = append(all, f)
		}
		f := &all[j]
		f.N++
		f.Trouble = max(f.Trouble, int(it.level))
		f.Restarts.Min, f.Restarts.Max = min(f.Restarts.Min, s.Restarts), max(f.Restarts.Max, s.Restarts)
		f.Since.Add(s.Since)
		f.Next.Add(s.NextStart)
	}
	slices.SortStableFunc(all, func(a, b view.Fold) int {
		return cmp.Or(cmp.Compare(b.Trouble, a.Trouble), cmp.Compare(b.N, a.N))
	})
	if len(all) > mostFolds {
		all = all[:mostFolds]
	}
	return all
}

// mostFolds is the number of folds of one supervisor at most. Leaves with rare causes
// beyond it are in children.json only.
const mostFolds = 50

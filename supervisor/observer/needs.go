package observer

import (
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// waitsFor returns the names of what a child of a Graph supervisor waits for: what it needs
// and is not up or, if all of that is, what it comes after and is about to start.
func (m *model) waitsFor(i int32) (names []string) {
	it := &m.items[i]
	if it.parent < 0 || m.supers[it.parent].named == nil || !it.tree.NextStart.IsZero() ||
		it.tree.State != child.Waiting && !m.inLine(i) {
		return nil
	}
	named := m.supers[it.parent].named
	for _, name := range it.tree.Needs {
		// In the past it may not be known.
		if k, ok := named[name]; !ok || !isMet(m.items[k].tree) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, name := range it.tree.After {
		if k, ok := named[name]; ok && (m.items[k].tree.State == child.Starting || m.items[k].tree.State == child.Waiting || m.inLine(k)) {
			names = append(names, name)
		}
	}
	return names
}

// isMet reports whether what needs a child may run: it is up, is done, or has declined to start.
func isMet(t *supervisor.Tree) bool {
	return t.State == child.Running || t.State == child.Done || t.State == child.Stopped && t.Declined
}

// dependents returns the siblings of a child of a Graph supervisor that need it, directly or
// through others, in the order of their declaration.
func (m *model) dependents(i int32) (all []int32) {
	users := make(map[string][]int32)
	sup := m.items[i].parent
	for k := sup + 1; k < m.items[sup].end; k = m.items[k].end {
		for _, name := range m.items[k].tree.Needs {
			users[name] = append(users[name], k)
		}
	}
	seen := map[int32]bool{i: true}
	todo := []int32{i}
	for len(todo) > 0 {
		name := m.items[todo[0]].tree.Name
		todo = todo[1:]
		for _, k := range users[name] {
			if !seen[k] {
				seen[k] = true
				all, todo = append(all, k), append(todo, k)
			}
		}
	}
	slices.Sort(all)
	return all
}

// someNames returns names of siblings, not more than a view should have of one child.
func someNames(names []string) []string {
	const most = 100
	if len(names) == 0 {
		return nil
	}
	made := make([]string, min(len(names), most))
	for i := range made {
		made[i] = valid(names[i], view.MaxText)
	}
	return made
}

package machine

import (
	"fmt"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// Children are found by their names, whether they are few or many, and whether they were
// declared, added or came with an upgrade. A removed one is not found, and its name is free.
func TestChildrenAreFoundByTheirNamesHoweverManyTheyAre(t *testing.T) {
	for declared := range 2*mostFewNames + 1 {
		specs := make([]child.Spec, declared)
		for i := range specs {
			specs[i] = child.Spec{Name: fmt.Sprint("d", i)}
		}
		m := New(Config{Strategy: strategy.Independent})
		m.Boot(specs, nil, 0)
		want := map[string]*Child{}
		for c := m.First(); c != nil; c = c.Next() {
			want[c.Name()] = c
		}
		check := func() {
			t.Helper()
			n := 0
			for c := m.First(); c != nil; c = c.Next() {
				if n++; m.Child(c.Name()) != c || want[c.Name()] != c {
					t.Fatalf("%d declared: %s is %p, %p, %p", declared, c.Name(), m.Child(c.Name()), want[c.Name()], c)
				}
			}
			if n != len(want) || n != m.Specs() {
				t.Fatalf("%d declared: %d, %d, %d children", declared, n, len(want), m.Specs())
			}
		}
		check()
		for i := range mostFewNames + 1 {
			spec := child.Spec{Name: fmt.Sprint("a", i)}
			if m.Child(spec.Name) != nil {
				t.Fatalf("%d declared: found before it was added", declared)
			}
			want[spec.Name] = m.Add(&spec, nil, 0)
			if m.Add(&spec, nil, 0) != nil {
				t.Fatalf("%d declared: added twice", declared)
			}
			check()
		}
		for i := range mostFewNames { // remove two, add one
			for _, name := range []string{fmt.Sprint("a", i), fmt.Sprint("d", i)} {
				c := m.Child(name)
				if c == nil {
					continue
				}
				m.Ready(c, c.Run(), 0)
				m.Stop(c, true, nil, 0)
				m.Exited(c, c.Run(), Outcome{}, 0)
				if delete(want, name); m.Child(name) != nil {
					t.Fatalf("%d declared: %s found after it was removed", declared, name)
				}
			}
			check()
			spec := child.Spec{Name: fmt.Sprint("a", i)}
			want[spec.Name] = m.Add(&spec, nil, 0)
			check()
		}
	}
}

package chaos

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// check compares the tree's own view with the live runs.
func (c *campaign) check() {
	c.report.Checks++
	c.agree(c.differences)
	n := 0
	for st := range c.tr.Sup.Tree().All() {
		if strings.HasPrefix(st.Name, addedChild) {
			n++
		}
	}
	c.report.MostChildren = max(c.report.MostChildren, n)
}

// agree records the paths at which two views of the tree differ. In virtual time it waits
// until nothing moves, and then they must agree. Live, something always moves, and the two
// views are not of one instant. So for each path they must agree once before Patience
// ends. Until then no new action begins.
func (c *campaign) agree(differences func() map[string]string) {
	testkit.Settle()
	apart := differences()
	timer := time.NewTimer(testkit.Patience())
	defer timer.Stop()
	for late := !c.live; len(apart) > 0 && !late; {
		select {
		case <-c.tr.Injector.Moved():
		case <-timer.C:
			late = true // and a last look
		}
		now := differences()
		maps.DeleteFunc(apart, func(path, _ string) bool { return now[path] == "" })
		for path := range apart {
			apart[path] = now[path]
		}
	}
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	for _, path := range sortedKeys(apart) {
		c.watch.fault("%s", apart[path])
	}
}

// differences describes the paths at which the views differ.
func (c *campaign) differences() map[string]string {
	tree := c.tr.Sup.Tree()
	apart := c.watch.compare(tree, c.runs())
	c.count(tree, apart)
	return apart
}

// compare compares the state of each child with how many runs it has.
func (w *watch) compare(tree supervisor.Tree, live map[string]int) map[string]string {
	apart := make(map[string]string)
	w.mu.Lock()
	defer w.mu.Unlock()
	differs := func(path string, want int) bool {
		want += w.left[path]
		// When events were lost, there may be other abandoned runs.
		return live[path] < want || live[path] > want && w.lost == 0
	}
	for st := range tree.All() {
		if st.Path == tree.Path {
			continue
		}
		want := 0
		if st.State.Alive() {
			want = 1
		}
		if differs(st.Path, want) || st.Abandoned > w.left[st.Path] && w.lost == 0 {
			apart[st.Path] = fmt.Sprintf("%s is %v with %d live runs; its events say %d are abandoned, its status %d",
				st.Path, st.State, live[st.Path], w.left[st.Path], st.Abandoned)
		}
		delete(live, st.Path)
	}
	for path, n := range live {
		if differs(path, 0) {
			apart[path] = fmt.Sprintf("%s is not in the tree but has %d live runs; its events say %d are abandoned", path, n, w.left[path])
		}
	}
	return apart
}

// count compares Count with the children of each supervisor.
func (c *campaign) count(t supervisor.Tree, apart map[string]string) {
	for _, below := range t.Children {
		c.count(below, apart)
	}
	sup := c.tr.Injector.Super(t.Path)
	if sup == nil || sup.Path() != t.Path {
		return
	}
	select {
	case <-sup.Done():
		return // it has ended, but its run has not returned yet
	default:
	}
	if got, want := sup.Count(), countsOf(t); got != want {
		apart["count of "+t.Path] = fmt.Sprintf("Count of %s is %+v, but its children are %+v", t.Path, got, want)
	}
}

// countsOf counts the children in a snapshot.
func countsOf(t supervisor.Tree) supervisor.Counts {
	n := supervisor.Counts{Specs: len(t.Children)}
	for _, st := range t.Children {
		if st.State.Alive() {
			n.Active++
		}
		if st.Supervisor {
			n.Supervisors++
		} else {
			n.Workers++
		}
	}
	return n
}

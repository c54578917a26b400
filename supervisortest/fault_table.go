package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// ErrFault is the failure that FaultTable injects.
var ErrFault = errors.New("injected fault")

// A fault is a row of the table.
type fault struct {
	name string
	plan testkit.Fault // for the first run
	// after, if set, is called when the tree is up. The table then leaves out the events
	// before it.
	after func(in *testkit.Injector, path string) bool
	stop  bool // write the events of the stop too
}

// The standard faults. The slow start takes longer than the threshold for the event
// slow-start, and the hang longer than any likely stop timeout. A start fails only after
// the siblings that start concurrently with it are up.
var faults = []fault{
	{name: "crash", after: func(in *testkit.Injector, path string) bool { return in.Crash(path, ErrFault) }},
	{name: "crash at start", plan: testkit.Fault{Fail: ErrFault, Slow: time.Millisecond}},
	{name: "hang at stop", after: func(in *testkit.Injector, path string) bool { return in.Hang(path, faultHang) }, stop: true},
	{name: "slow ready", plan: testkit.Fault{Slow: faultSlow}},
}

const (
	faultHang  = 24 * time.Hour
	faultSlow  = 15 * time.Second
	faultWatch = time.Minute // how long the tree runs after the fault
)

// FaultTable puts each child of a tree, at any depth, through standard faults, in virtual
// time, and returns what the tree did as text. Keep the text as a golden file and compare.
// The faults are
//
//	crash           the child fails once, when the tree is up
//	crash at start  its first start fails
//	hang at stop    it does not return when the tree is stopped
//	slow ready      its first start takes 15 s longer
//
// FaultTable calls tree once for each fault, inside the bubble, and runs the tree for a
// minute after the fault. The text is the same each time: child.Exponential and
// ExponentialBackOff have no jitter here. A backoff policy of your own, or one that wraps
// those of package backoff, must not be random. Outside of a bubble, t must be a
// *testing.T.
func FaultTable(t testing.TB, tree func() supervisor.Spec) string {
	t.Helper()
	if tree == nil {
		t.Fatalf("FaultTable: tree is nil")
		return ""
	}
	var paths []string
	testkit.Virtually(t, "FaultTable", func(t testing.TB) {
		t.Helper()
		tr := newTestedTree(t, tree())
		tr.Ctx = jitter.None(tr.Ctx)
		defer func() {
			tr.end(t)
			testkit.Settle()
		}()
		tr.start(t)
		for st := range tr.Sup.Tree().All() {
			paths = append(paths, st.Path)
		}
	})
	if t.Failed() {
		return ""
	}
	if len(paths) < 2 {
		t.Fatalf("FaultTable: %s has no children", strings.Join(paths, ""))
		return ""
	}
	var text strings.Builder
	for _, path := range paths[1:] {
		for _, f := range faults {
			testkit.Virtually(t, "FaultTable", func(t testing.TB) { f.play(t, &text, tree(), path) })
		}
	}
	return text.String()
}

// play writes what the tree does after one fault of one child.
func (f fault) play(t testing.TB, text *strings.Builder, spec supervisor.Spec, path string) {
	fmt.Fprintf(text, "%s: %s\n", path, f.name)
	tr := newTestedTree(t, spec)
	tr.Ctx = jitter.None(tr.Ctx)
	defer testkit.Settle()
	defer tr.letGo()
	tr.Injector.Plan(path, f.plan)
	began, written := time.Now(), 0
	line := func(text *strings.Builder, at time.Time, what string) {
		fmt.Fprintf(text, "  %8v  %s\n", at.Sub(began).Round(time.Millisecond), what)
	}
	writeEvents := func() {
		testkit.Settle()
		events := tr.events.Events()
		order := concurrent(tr.Sup)
		ofChildren := slices.DeleteFunc(slices.Clone(events[written:]), func(e supervisor.Event) bool { return e.Kind >= supervisor.EventUp })
		for _, e := range testkit.CanonicalOrder(ofChildren, func(a, b *supervisor.Event) bool {
			if a.Kind == supervisor.EventSlowStart || b.Kind == supervisor.EventSlowStart {
				return a.Path != b.Path // it comes from a timer
			}
			above, ok := testkit.Apart(a.Path, b.Path)
			return ok && order[above] != nil && order[above](a.Path, b.Path)
		}) {
			line(text, e.Time, e.String())
		}
		written = len(events)
	}
	if err := tr.Sup.Start(tr.Ctx); err != nil {
		writeEvents()
		line(text, time.Now(), "start failed: "+testkit.OneLine(err))
		return
	}
	if f.after != nil {
		testkit.Settle()
		began, written = time.Now(), len(tr.events.Events())
		if !f.after(tr.Injector, path) {
			line(text, began, "the child is not running")
		}
	}
	if !f.stop {
		timer := time.NewTimer(faultWatch)
		select {
		case <-timer.C:
		case <-tr.Sup.Done():
		}
		timer.Stop()
		writeEvents()
		select {
		case <-tr.Sup.Done():
			line(text, time.Now(), "the tree ended: "+testkit.OneLine(tr.Sup.Wait()))
			return
		default:
		}
		if err := tr.Sup.Health(); err != nil {
			line(text, time.Now(), "not ready: "+testkit.OneLine(err))
		} else {
			line(text, time.Now(), "all ready")
		}
	}
	err := tr.Sup.Stop(context.Background())
	if f.stop {
		writeEvents()
	}
	switch {
	case err != nil:
		line(text, time.Now(), "stopped with an error: "+testkit.OneLine(err))
	case f.stop:
		line(text, time.Now(), "stopped")
	}
}

// concurrent returns, for each supervisor in the tree that starts and stops children
// concurrently, by its path, whether what happens at two paths below it does not depend on
// each other.
func concurrent(sup *supervisor.Supervisor) map[string]func(a, b string) bool {
	by := make(map[string]func(a, b string) bool)
	var visit func(supervisor.Tree)
	visit = func(t supervisor.Tree) {
		switch {
		case t.Supervisor && t.Strategy == strategy.Independent:
			by[t.Path] = func(a, b string) bool { return true }
		case t.Supervisor && t.Strategy == strategy.Graph:
			before := make(map[string][]string)
			for _, c := range t.Children {
				before[c.Name] = slices.Concat(c.Needs, c.After)
			}
			by[t.Path] = func(a, b string) bool {
				a, b = nameBelow(t.Path, a), nameBelow(t.Path, b)
				return !leads(before, a, b) && !leads(before, b, a)
			}
		}
		for _, c := range t.Children {
			visit(c)
		}
	}
	visit(sup.Tree())
	return by
}

// nameBelow returns the name of the child of the supervisor at above that path leads to.
func nameBelow(above, path string) string {
	name, _, _ := strings.Cut(path[len(above)+1:], "/")
	return name
}

// leads reports whether a leads to b by the edges, in any number of steps.
func leads(edges map[string][]string, a, b string) bool {
	seen, todo := map[string]bool{a: true}, []string{a}
	for len(todo) > 0 {
		for _, next := range edges[todo[0]] {
			if next == b {
				return true
			}
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
		todo = todo[1:]
	}
	return false
}

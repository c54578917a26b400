package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// ErrFault is the failure that a FaultTable puts in.
var ErrFault = errors.New("fault put in by the test")

// A fault is a row of the table.
type fault struct {
	name string
	plan testkit.Fault // for the first run
	// after, if set, is done to the child when the tree is up; what happened
	// before is not told then.
	after func(in *testkit.Injector, path string) bool
	stop  bool // tell the stop too
}

// The standard faults. The slow start is longer than that which a supervisor
// finds worth an event, the hang longer than any stop timeout in sight. A start that
// fails does so when siblings that start side by side with it are up.
var faults = []fault{
	{name: "crash", after: func(in *testkit.Injector, path string) bool { return in.Crash(path, ErrFault) }},
	{name: "crash at start", plan: testkit.Fault{Fail: ErrFault, Slow: time.Millisecond}},
	{name: "hang at stop", after: func(in *testkit.Injector, path string) bool { return in.Hang(path, faultHang) }, stop: true},
	{name: "slow ready", plan: testkit.Fault{Slow: faultSlow}},
}

const (
	faultHang  = 24 * time.Hour
	faultSlow  = 15 * time.Second
	faultWatch = time.Minute // how long a tree is watched
)

// FaultTable runs a tree through the standard faults of each of its children, of
// any depth, in virtual time, and returns what the tree did, as text: keep it
// beside the test and compare. The faults are
//
//	crash           the child fails once, when the tree is up
//	crash at start  its first start fails
//	hang at stop    it does not return when the tree is stopped
//	slow ready      its first start takes 15 s longer
//
// FaultTable calls tree once for each fault, within the bubble, and watches what
// follows for a minute. The text is the same each time: the pauses of
// child.Exponential and of an ExponentialBackOff have no jitter here. A policy of
// your own, or one around those of package backoff, must not draw at random. A t
// that is not a *testing.T will do in a bubble.
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
		t.Fatalf("FaultTable: %s has no children: there is nothing to go wrong", strings.Join(paths, ""))
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

// play writes what the tree does about one fault of one child.
func (f fault) play(t testing.TB, text *strings.Builder, spec supervisor.Spec, path string) {
	fmt.Fprintf(text, "%s: %s\n", path, f.name)
	tr := newTestedTree(t, spec)
	tr.Ctx = jitter.None(tr.Ctx)
	defer testkit.Settle()
	defer tr.letGo()
	tr.Injector.Plan(path, f.plan)
	began, told := time.Now(), 0
	line := func(text *strings.Builder, at time.Time, what string) {
		fmt.Fprintf(text, "  %8v  %s\n", at.Sub(began).Round(time.Millisecond), what)
	}
	tell := func() {
		testkit.Settle()
		events := tr.events.Events()
		order := strategies(tr.Sup)
		for _, e := range testkit.InOneOrder(events[told:], func(a, b *supervisor.Event) bool {
			if a.Kind == supervisor.EventSlowStart || b.Kind == supervisor.EventSlowStart {
				return a.Path != b.Path // it comes from a timer
			}
			above, ok := testkit.Apart(a.Path, b.Path)
			return ok && order[above] == strategy.Independent
		}) {
			line(text, e.Time, e.String())
		}
		told = len(events)
	}
	if err := tr.Sup.Start(tr.Ctx); err != nil {
		tell()
		line(text, time.Now(), "the start fails: "+testkit.OneLine(err))
		return
	}
	if f.after != nil {
		testkit.Settle()
		began, told = time.Now(), len(tr.events.Events())
		if !f.after(tr.Injector, path) {
			line(text, began, "the child does not run")
		}
	}
	if !f.stop {
		timer := time.NewTimer(faultWatch)
		select {
		case <-timer.C:
		case <-tr.Sup.Done():
		}
		timer.Stop()
		tell()
		select {
		case <-tr.Sup.Done():
			line(text, time.Now(), "the tree has ended: "+testkit.OneLine(tr.Sup.Wait()))
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
		tell()
	}
	switch {
	case err != nil:
		line(text, time.Now(), "all stopped, but "+testkit.OneLine(err))
	case f.stop:
		line(text, time.Now(), "all stopped")
	}
}

// strategies returns those of all supervisors in the tree, by path.
func strategies(sup *supervisor.Supervisor) map[string]strategy.Strategy {
	by := make(map[string]strategy.Strategy)
	var visit func(supervisor.Tree)
	visit = func(t supervisor.Tree) {
		if t.Supervisor {
			by[t.Path] = t.Strategy
		}
		for _, c := range t.Children {
			visit(c)
		}
	}
	visit(sup.Tree())
	return by
}

package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// ErrFault is the failure that a FaultTable puts in.
var ErrFault = errors.New("fault put in by the test")

// A fault is a row of the table.
type fault struct {
	name string
	plan plan // for the first run
	// after, if set, is done to the child when the tree is up; what happened
	// before is not told then.
	after func(g *grip, path string) bool
	stop  bool // tell the stop too
}

// The standard faults. The slow start is longer than that which a supervisor
// finds worth an event, the hang longer than any stop timeout in sight. A start that
// fails does so when siblings that start side by side with it are up.
var faults = []fault{
	{name: "crash", after: func(g *grip, path string) bool { return g.crash(path, ErrFault) }},
	{name: "crash at start", plan: plan{fail: ErrFault, slow: time.Millisecond}},
	{name: "hang at stop", after: func(g *grip, path string) bool { return g.hang(path, faultHang) }, stop: true},
	{name: "slow ready", plan: plan{slow: faultSlow}},
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
// The function makes the tree, anew for each fault and within the bubble. Each
// fault is watched for a minute. Pauses that are drawn at random, as those of
// child.Exponential, make each table different: use child.Constant. A t that is
// not a *testing.T will do in a bubble.
func FaultTable(t testing.TB, tree func() supervisor.Spec) string {
	t.Helper()
	if tree == nil {
		t.Fatalf("FaultTable: nil function: give it one that makes the spec of the tree")
		return ""
	}
	var paths []string
	virtually(t, "FaultTable", func(t testing.TB) {
		t.Helper()
		tr := newTrial(t, tree())
		defer func() {
			tr.end(t)
			settle()
		}()
		tr.start(t)
		for st := range tr.sup.Tree().All() {
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
			virtually(t, "FaultTable", func(t testing.TB) { f.play(t, &text, tree(), path) })
		}
	}
	return text.String()
}

// play writes what the tree does about one fault of one child.
func (f fault) play(t testing.TB, text *strings.Builder, spec supervisor.Spec, path string) {
	fmt.Fprintf(text, "%s: %s\n", path, f.name)
	tr := newTrial(t, spec)
	defer settle()
	defer tr.letGo()
	tr.grip.plan(path, f.plan)
	began, told := time.Now(), 0
	line := func(text *strings.Builder, at time.Time, what string) {
		fmt.Fprintf(text, "  %8v  %s\n", at.Sub(began).Round(time.Millisecond), what)
	}
	tell := func() {
		settle()
		events := tr.events.Events()
		order := strategies(tr.sup)
		for _, e := range inOneOrder(events[told:], func(a, b *supervisor.Event) bool {
			if a.Kind == supervisor.EventSlowStart || b.Kind == supervisor.EventSlowStart {
				return a.Path != b.Path // it comes from a timer
			}
			above, ok := apart(a.Path, b.Path)
			return ok && order[above] == strategy.Independent
		}) {
			line(text, e.Time, eventLine(&e))
		}
		told = len(events)
	}
	if err := tr.sup.Start(tr.ctx); err != nil {
		tell()
		line(text, time.Now(), "the start fails: "+oneLine(err))
		return
	}
	if f.after != nil {
		settle()
		began, told = time.Now(), len(tr.events.Events())
		if !f.after(tr.grip, path) {
			line(text, began, "the child does not run")
		}
	}
	if !f.stop {
		timer := time.NewTimer(faultWatch)
		select {
		case <-timer.C:
		case <-tr.sup.Done():
		}
		timer.Stop()
		tell()
		select {
		case <-tr.sup.Done():
			line(text, time.Now(), "the tree has ended: "+oneLine(tr.sup.Wait()))
			return
		default:
		}
		if err := tr.sup.Health(); err != nil {
			line(text, time.Now(), "not ready: "+oneLine(err))
		} else {
			line(text, time.Now(), "all ready")
		}
	}
	err := tr.sup.Stop(context.Background())
	if f.stop {
		tell()
	}
	switch {
	case err != nil:
		line(text, time.Now(), "all stopped, but "+oneLine(err))
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

// oneLine is the text of an error in one line.
func oneLine(err error) string {
	if err == nil {
		return "nil"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

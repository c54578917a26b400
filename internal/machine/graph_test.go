package machine

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// graphMachine returns a machine with strategy.Graph and these children, after Boot.
func graphMachine(specs ...child.Spec) *Machine {
	m := New(Config{Strategy: strategy.Graph, Intensity: strategy.Unlimited()})
	m.Boot(specs, nil, 0)
	return m
}

// settleAll makes children that start ready, and lets those that were asked to stop return,
// until there are none. It returns how many started and how many stopped.
func settleAll(t *testing.T, m *Machine) (started, stopped int) {
	t.Helper()
	var launched, cancelled []*Child
	take := func() {
		for _, a := range drain(m) {
			switch a.Kind {
			case Launch:
				launched = append(launched, a.Child)
			case Cancel:
				cancelled = append(cancelled, a.Child)
			case Continue:
				launched = append(launched, nil)
			}
		}
	}
	take()
	for len(launched)+len(cancelled) > 0 {
		if n := len(cancelled); n > 0 {
			c := cancelled[n-1]
			cancelled = cancelled[:n-1]
			stopped++
			m.Exited(c, c.Run(), Outcome{}, 0)
			take()
			continue
		}
		c := launched[0]
		launched = launched[1:]
		if c == nil {
			m.Continue(0)
		} else {
			started++
			m.Ready(c, c.Run(), 0)
		}
		take()
	}
	return started, stopped
}

// A chain of a hundred thousand children starts, fails, loses one in the middle by request,
// and ends. Nothing here recurses, and each event costs the same.
func TestGraphChainOfAHundredThousandChildren(t *testing.T) {
	n := 100_000
	if testing.Short() || raceEnabled {
		n = 10_000
	}
	specs := make([]child.Spec, n)
	for i := range specs {
		specs[i] = worker(strconv.Itoa(i))
		if i > 0 {
			specs[i].Needs = []string{strconv.Itoa(i - 1)}
		}
	}
	m := graphMachine(specs...)
	if started, _ := settleAll(t, m); started != n {
		t.Fatalf("%d of %d started", started, n)
	}
	first := m.First()
	m.Exited(first, first.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
	if started, stopped := settleAll(t, m); started != n || stopped != n-1 {
		t.Fatalf("%d started again, %d stopped", started, stopped)
	}
	m.Stop(m.Child(strconv.Itoa(n/2)), false, nil, 0)
	if _, stopped := settleAll(t, m); stopped != n-n/2 {
		t.Fatalf("%d stopped by request", stopped)
	}
	m.Restart(m.Child(strconv.Itoa(n-1)), nil, 0)
	if started, _ := settleAll(t, m); started != n-n/2 {
		t.Fatalf("%d started by request", started)
	}
	m.Close(0)
	if _, stopped := settleAll(t, m); stopped != n || m.Phase() != Over {
		t.Fatalf("%d stopped at the end", stopped)
	}
}

func TestChildWithoutEdgesHasNoNode(t *testing.T) {
	m := graphMachine(worker("a"), worker("b"))
	if m.graph != nil {
		t.Error("no child has edges")
	}
	x := worker("x", needs("a"))
	m.Add(&x, nil, 0)
	if m.Child("b").node != 0 || m.Child("a").node == 0 || m.Child("x").node == 0 {
		t.Error("only a and x have edges")
	}
}

// An edge to a name survives the child of that name: it holds again when one is added.
func TestAfterIsByName(t *testing.T) {
	m := graphMachine(worker("a"), worker("b", after("a")), worker("c", after("a", "gone")))
	settleAll(t, m)
	m.Stop(m.Child("a"), true, nil, 0)
	settleAll(t, m)
	m.Stop(m.Child("b"), true, nil, 0)
	settleAll(t, m)
	if m.graph.absent["a"] == 0 || m.graph.absent["gone"] == 0 {
		t.Fatal("c still comes after a and gone")
	}
	a := worker("a")
	m.Add(&a, nil, 0)
	m.Restart(m.Child("c"), nil, 0)
	c := m.Child("c")
	if drain(m); c.State() != child.Stopping {
		t.Fatal(c.State())
	}
	m.Exited(c, c.Run(), Outcome{}, 0)
	if drain(m); c.State() != child.Waiting {
		t.Fatalf("c waits for a, which starts: %v", c.State())
	}
	m.Ready(m.Child("a"), 1, 0)
	if drain(m); c.State() != child.Starting {
		t.Fatal(c.State())
	}
	settleAll(t, m)
	m.Stop(c, true, nil, 0)
	settleAll(t, m)
	m.Stop(m.Child("a"), true, nil, 0)
	settleAll(t, m)
	if len(m.graph.absent)+len(m.graph.names) > 0 {
		t.Errorf("names that nothing comes after are forgotten: %v", m.graph.absent)
	}
}

// Nodes and edges of removed children are used again.
func TestNodesAndEdgesAreReused(t *testing.T) {
	m := graphMachine(worker("hub"))
	for i := range 1000 {
		x := worker(strconv.Itoa(i), needs("hub"), after("nobody"))
		m.Add(&x, nil, 0)
		settleAll(t, m)
		m.Stop(m.Child(x.Name), true, nil, 0)
		settleAll(t, m)
	}
	if n, e := len(m.graph.nodes), len(m.graph.edges); n > 4 || e > 3 {
		t.Errorf("%d nodes, %d edges", n, e)
	}
}

// Large lists of a failure of many are not kept.
func TestListsOfALargeFailureAreNotKept(t *testing.T) {
	const n, most = 20_000, 16 * maxKeptActions
	specs := []child.Spec{worker("hub")}
	for i := range n {
		specs = append(specs, worker(strconv.Itoa(i), needs("hub")))
	}
	m := graphMachine(specs...)
	settleAll(t, m)
	hub := m.Child("hub")
	m.Exited(hub, hub.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
	settleAll(t, m)
	g := m.graph
	if max(cap(g.touched), cap(g.front), cap(g.walk), cap(g.below)) > most {
		t.Error(cap(g.touched), cap(g.front), cap(g.walk), cap(g.below))
	}
}

// A failure costs in proportion to what it takes down: what has nothing to do with it is not
// even looked at.
func TestFailureTouchesOnlyWhatItTakes(t *testing.T) {
	specs := []child.Spec{worker("a"), worker("b", needs("a"))}
	for i := range 10_000 {
		specs = append(specs, worker(strconv.Itoa(2*i), transient), worker(strconv.Itoa(2*i+1), needs(strconv.Itoa(2*i))))
	}
	m := graphMachine(specs...)
	settleAll(t, m)
	a := m.Child("a")
	m.Exited(a, a.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
	var about []string
	for _, x := range drain(m) {
		if x.Child != nil && !slices.Contains(about, x.Child.Name()) {
			about = append(about, x.Child.Name())
		}
	}
	if !slices.Equal(about, []string{"a", "b"}) {
		t.Error(about)
	}
}

// A start timeout that is over while a child waits to be stopped cancels it at once, and
// what follows the stop stays as requested.
func TestAlarmOfAChildThatMustStop(t *testing.T) {
	m := graphMachine(worker("a", watched), worker("b", needs("a")))
	settleAll(t, m)
	a, b := m.Child("a"), m.Child("b")
	m.Stop(a, false, nil, 0)
	drain(m)
	m.Timer(a, a.Run(), BeatTimer, time.Second)
	drain(m)
	if a.State() != child.Stopping || b.State() != child.Stopping {
		t.Fatal(a.State(), b.State())
	}
	m.Exited(a, a.Run(), Outcome{}, 0)
	m.Exited(b, b.Run(), Outcome{}, 0)
	drain(m)
	if a.State() != child.Stopped || b.State() != child.Stopped {
		t.Error("both stay down", a.State(), b.State())
	}
}

// A child that is Done, and was stopped by a caller while what it needs restarts, is not
// started again. What is added above it waits, as it does, for what it needs.
func TestWhatNeedsADoneChildWaitsForWhatThatNeeds(t *testing.T) {
	m := graphMachine(worker("a"), worker("b", needs("a"), func(s *child.Spec) { s.Restart = child.Transient }))
	settleAll(t, m)
	a, b := m.Child("a"), m.Child("b")
	m.Exited(b, b.Run(), Outcome{}, 0)
	drain(m)
	if b.State() != child.Done {
		t.Fatal(b.State())
	}
	m.Restart(a, nil, 0)
	m.Stop(b, false, nil, 0)
	drain(m)
	spec := worker("x", needs("b"))
	x := m.Add(&spec, nil, 0)
	drain(m)
	if x.State().Alive() {
		t.Fatal("x started before a is ready again:", x.State())
	}
	if m.Lacks(x) != a {
		t.Error("b is done, so x waits for a, which b needs")
	}
	m.Exited(a, a.Run(), Outcome{}, 0)
	settleAll(t, m)
	if a.State() != child.Running || x.State() != child.Running || b.State() != child.Done {
		t.Error(a.State(), b.State(), x.State())
	}
	if m.Lacks(x) != nil {
		t.Error("x has started")
	}
}

// Events that follow each other under one lock have one batch.
func TestEventsShareABatch(t *testing.T) {
	m := graphMachine(worker("a"), worker("b"), worker("x", needs("a")), worker("y", needs("b")))
	drain(m)
	m.batchSize = 1
	launched := func() (n, more int) {
		for _, a := range drain(m) {
			n += count(a.Kind == Launch)
			more += count(a.Kind == Continue)
		}
		return n, more
	}
	m.Ready(m.Child("a"), 1, 0)
	if n, more := launched(); n != 1 || more != 0 {
		t.Error("x starts", n, more)
	}
	m.SameBatch = true
	m.Ready(m.Child("b"), 1, 0)
	if n, more := launched(); n != 0 || more != 1 {
		t.Error("y waits for the next batch", n, more)
	}
	m.SameBatch = false
	m.Continue(0)
	if n, more := launched(); n != 1 || more != 0 {
		t.Error("y starts", n, more)
	}
}

// A child that has to stop and becomes ready before it is its turn still knows because of which
// child it stops.
func TestReadyBeforeItsStopKeepsWhy(t *testing.T) {
	m := graphMachine(worker("a"), worker("b", needs("a")), worker("c", needs("a"), after("b")))
	settleAll(t, m)
	a, b, c := m.Child("a"), m.Child("b"), m.Child("c")
	m.Stop(b, false, nil, 0)
	settleAll(t, m)
	m.Restart(b, nil, 0)
	m.Stop(a, false, nil, 0)
	drain(m)
	m.Ready(b, b.Run(), 0)
	if b.State() != child.Running || c.State() != child.Stopping || m.With(b) != a {
		t.Fatal("b waits until c has stopped:", b.State(), c.State(), m.With(b))
	}
	settle := func(c *Child) {
		m.Exited(c, c.Run(), Outcome{}, 0)
		drain(m)
	}
	settle(c)
	if b.State() != child.Stopping || m.With(b) != a {
		t.Fatal("b stops because of a:", b.State(), m.With(b))
	}
	settle(b)
	settle(a)
	m.Restart(b, nil, 0)
	if settleAll(t, m); m.With(b) != nil {
		t.Error("b is ready, and need not stop:", m.With(b))
	}
}

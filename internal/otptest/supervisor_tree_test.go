package otptest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A realTree is a supervision tree as users build it, in a bubble: the public supervisor,
// and children that follow the script of their node.
type realTree struct {
	scenario *Scenario
	root     *supervisor.Supervisor
	rootPath string
	over     chan struct{} // closed at the end, to release children that hang

	mu      sync.Mutex
	starts  map[string]int                    // start attempts so far, by label
	runs    map[string][]*realRun             // runs so far, by path
	running map[string]*realRun               // runs that are up, by label
	sups    map[string]*supervisor.Supervisor // by label; each may run several times
	nodes   map[string]*Node                  // node at each path, also after an upgrade
	acts    []act                             // acts of the runs since the last step
	told    []supervisor.Event                // events of the supervisors since the last step
	events  []string                          // both, merged into OTP's events
	flaps   int                               // children about to end by themselves

	merger *merger

	down   bool
	reason string // why the root was stopped
}

func newRealTree(s *Scenario) *realTree {
	t := &realTree{
		scenario: s,
		rootPath: "/" + s.Root().Label,
		over:     make(chan struct{}),
		starts:   make(map[string]int),
		runs:     make(map[string][]*realRun),
		running:  make(map[string]*realRun),
		sups:     make(map[string]*supervisor.Supervisor),
		nodes:    make(map[string]*Node),
		reason:   "shutdown",
	}
	t.merger = newMerger(t)
	return t
}

// end ends everything that still runs, so that the bubble can end.
func (t *realTree) end() {
	if t.root != nil {
		_ = t.root.Stop(context.Background())
	}
	close(t.over)
}

func (t *realTree) log(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, fmt.Sprintf(format, args...))
}

// note records an act of a run.
func (t *realTree) note(r *realRun, text string, ends bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.acts = append(t.acts, act{run: r, text: text, ends: ends})
}

func (t *realTree) Start() string {
	node := t.scenario.Root()
	fault := node.SupFault()
	switch {
	case node.Start[0] == "ignore":
		return "ignore"
	case fault != "" && !InGo(fault):
		return "error " + fault
	}
	root := &realRun{tree: t, node: node, label: node.Label, path: t.rootPath}
	t.nodes[t.rootPath] = node
	t.root = supervisor.New(t.supSpec(node, t.rootPath))
	t.root.Subscribe(func(e supervisor.Event) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.told = append(t.told, e)
	})
	err := t.root.Start(context.Background())
	var (
		bad  *child.SpecError
		made *supervisor.ChildError
	)
	switch {
	case err == nil:
		t.note(root, "sup_up "+root.label, false)
		t.mu.Lock()
		t.running[root.label], t.sups[root.label] = root, t.root
		t.mu.Unlock()
		go func() {
			<-t.root.Done()
			t.note(root, "sup_down "+root.label+" "+t.reason, false)
		}()
		t.settle()
		return "ok"
	case fault != "" && errors.As(err, &bad):
		return "error " + fault
	case errors.As(err, &made):
		t.settle()
		return "error failed_to_start_child " + base(made.Path)
	}
	return "fault: " + err.Error()
}

// supSpec returns the spec of the supervisor at path. The template of a simple_one_for_one
// is not a child.
func (t *realTree) supSpec(n *Node, path string) supervisor.Spec {
	spec := supervisor.Spec{Name: n.Label, Logger: slog.New(slog.DiscardHandler)}
	spec.Strategy, spec.Intensity, spec.AutoShutdown = n.Limits()
	if !n.Simple() {
		for _, c := range n.Children {
			spec.Children = append(spec.Children, t.childSpec(c, c.ID, path))
		}
	}
	return spec
}

// childSpec returns the spec of a child with that name below the supervisor at path. The
// label of a child of a simple_one_for_one is its name, which is its tag.
func (t *realTree) childSpec(n *Node, name, path string) child.Spec {
	spec, label := n.ChildSpec(name), n.Label
	if sup := t.node(path); sup != nil && sup.Simple() {
		label = name
	}
	spec.Run = func(ctx child.Context) error { return t.run(n, label, ctx) }
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes[path+"/"+name] = n
	return spec
}

func (t *realTree) node(path string) *Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nodes[path]
}

// settle lets time pass until the tree is quiescent.
func (t *realTree) settle() {
	for range 100_000 {
		synctest.Wait()
		if t.quiet() {
			t.merge()
			if isDone(t.root) {
				t.down = true
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.log("fault: no end of it")
}

func (t *realTree) quiet() bool {
	for st := range t.root.Tree().All() {
		switch st.State {
		case child.Starting, child.Stopping, child.Waiting:
			return false
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flaps == 0
}

func isDone(s *supervisor.Supervisor) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

func (t *realTree) Do(step Step) []string {
	result := t.begin(step)
	t.settle()
	return []string{result}
}

// begin performs a step. Its effects may not be complete when it returns.
func (t *realTree) begin(step Step) string {
	switch step.Call() {
	case "stop":
		return t.stopRoot("shutdown")
	case "sleep":
		ms, _ := strconv.Atoi(step.Arg(0))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return "ok"
	case "align": // Coppice does not count in whole seconds
		return "ok"
	case "exit":
		return t.exit(step.Arg(0), step.Arg(1))
	}
	r := t.up(step.Arg(0))
	if r == nil {
		return "noproc"
	}
	return t.call(t.sups[r.label], r, step)
}

// up returns the run with that label that is up, or nil.
func (t *realTree) up(label string) *realRun {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running[label]
}

// exit makes a run end by itself, or ends a supervisor from outside.
func (t *realTree) exit(label, reason string) string {
	r := t.up(label)
	switch {
	case r == nil:
		return "noproc"
	case r.path == t.rootPath:
		return t.stopRoot(reason)
	case r.node.Sup:
		r.told = reason
		r.cancel()
	default:
		r.end <- reason
	}
	return "ok"
}

func (t *realTree) stopRoot(reason string) string {
	t.reason = reason
	var left *supervisor.StopError
	if err := t.root.Stop(context.Background()); err != nil && !errors.As(err, &left) {
		return "fault: " + err.Error()
	}
	return "ok"
}

func (t *realTree) Events() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.events
	t.events = nil
	return events
}

func (t *realTree) Down() (string, bool) { return t.reason, t.down }

func (t *realTree) Dump() []string { return t.dump(t.root.Tree()) }

// dump returns the state of a supervisor and of the supervisors below it.
func (t *realTree) dump(at supervisor.Tree) []string {
	path := at.Path
	list := Listing{Sup: t.node(path)}
	for _, c := range at.Children {
		list.Children = append(list.Children, Listed{Name: c.Name, State: c.State, Type: t.node(c.Path).Type})
	}
	label := t.scenario.Root().Label
	if path != t.rootPath {
		label = t.merger.latest[path].label
	}
	lines := list.Dump(label)
	lines = append(lines, t.miscounts(label, at)...)
	for _, c := range at.Children {
		if c.Supervisor && c.State == child.Running {
			lines = append(lines, t.dump(c)...)
		}
	}
	return lines
}

// miscounts compares Count with the tree and returns a fault if they differ.
func (t *realTree) miscounts(label string, at supervisor.Tree) []string {
	want := supervisor.Counts{Specs: len(at.Children)}
	for _, c := range at.Children {
		if c.State.Alive() {
			want.Active++
		}
		if c.Supervisor {
			want.Supervisors++
		}
	}
	want.Workers = want.Specs - want.Supervisors
	t.mu.Lock()
	sup := t.sups[label]
	t.mu.Unlock()
	if got := sup.Count(); got != want {
		return []string{fmt.Sprintf("fault: %s counts %+v, its tree has %+v", label, got, want)}
	}
	return nil
}

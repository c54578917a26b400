package machine

import (
	"slices"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A batchTest is an Independent supervisor whose batches are one child each.
type batchTest struct {
	*testing.T
	m *Machine
}

func newBatchTest(t *testing.T, names ...string) batchTest {
	w := batchTest{t, New(Config{Strategy: strategy.Independent, Intensity: strategy.Unlimited()})}
	w.m.batchSize = 1
	w.m.Boot(specsOf(names), nil, 0)
	return w
}

func specsOf(names []string) (specs []child.Spec) {
	for _, name := range names {
		specs = append(specs, worker(name))
	}
	return specs
}

// expect compares the starts and stops of the latest event, and whether it asks to continue.
func (w batchTest) expect(want ...string) {
	w.Helper()
	got := []string{}
	for _, a := range drain(w.m) {
		switch a.Kind {
		case Launch:
			got = append(got, "start "+a.Child.Name())
		case Cancel:
			got = append(got, "stop "+a.Child.Name())
		case Continue, IsUp, IsOver:
			got = append(got, map[Kind]string{Continue: "continue", IsUp: "up", IsOver: "over"}[a.Kind])
		}
	}
	if !slices.Equal(got, want) {
		w.Fatalf("%v, not %v", got, want)
	}
}

func (w batchTest) exit(name string) {
	c := w.m.Child(name)
	w.m.Exited(c, c.Run(), Outcome{}, 0)
}

func (w batchTest) next() { w.m.Continue(0) }

func TestIndependentChildrenAllStopWhileSomeExit(t *testing.T) {
	w := newBatchTest(t, "a", "b", "c", "d")
	w.expect("start a", "continue")
	w.next()
	w.expect("start b", "continue")
	w.next()
	w.expect("start c", "continue")
	w.next()
	w.expect("start d")
	w.m.Close(0)
	w.expect("stop a", "continue")
	w.exit("a")
	w.expect()
	w.exit("b") // the next child of the walk, and now the first
	w.expect()
	w.next()
	w.expect("stop c", "continue")
	w.exit("c")
	w.expect()
	w.next()
	w.expect("stop d")
	w.exit("d")
	w.expect("over")
	w.next()
	w.expect()
}

func TestIndependentStartsNoMoreChildrenAfterClose(t *testing.T) {
	w := newBatchTest(t, "a", "b", "c")
	w.expect("start a", "continue")
	w.next()
	w.expect("start b", "continue")
	w.m.Close(0)
	w.expect("stop a", "continue")
	w.next() // for the Continue of the boot
	w.expect("stop b", "continue")
	w.exit("b")
	w.expect()
	w.exit("a")
	w.expect("over")
	w.next() // for the Continue of the close
	w.expect()
}

func TestChildAddedDuringAnIndependentBootStartsLast(t *testing.T) {
	w := newBatchTest(t, "a", "b")
	w.expect("start a", "continue")
	spec := worker("x")
	x := w.m.Add(&spec, &Waiter{Owner: "caller"}, 0)
	w.expect()
	w.next()
	w.expect("start b", "continue")
	w.m.Ready(w.m.Child("a"), 1, 0)
	w.expect()
	w.m.Ready(w.m.Child("b"), 1, 0)
	w.expect("up") // x is not declared
	w.next()
	w.expect("start x")
	w.m.Ready(x, 1, 0)
	if who := answered(w.m); !slices.Equal(who, []any{"caller"}) {
		t.Error(who)
	}
}

func TestChildRemovedBeforeItsBatchDoesNotBlockAnIndependentBoot(t *testing.T) {
	w := newBatchTest(t, "a", "b", "c")
	w.expect("start a", "continue")
	w.m.Ready(w.m.Child("a"), 1, 0)
	w.m.Stop(w.m.Child("b"), true, nil, 0)
	w.expect()
	w.m.Stop(w.m.Child("c"), false, nil, 0)
	w.expect("up") // removed, as every Independent child that stops
	w.next()
	w.expect()
	if w.m.Specs() != 1 {
		t.Error(w.m.Specs())
	}
	spec := worker("x")
	w.m.Add(&spec, nil, 0)
	w.expect("start x")
}

func TestIndependentBootContinuesOnceAfterResume(t *testing.T) {
	w := newBatchTest(t, "a", "b", "c")
	w.expect("start a", "continue")
	w.m.Suspend(0)
	w.expect()
	w.next()
	w.expect()
	w.next()
	w.expect()
	w.m.Resume(0)
	w.expect("start b", "continue")
	w.m.Resume(0)
	w.expect()
	w.next() // for the sweep of Resume
	w.expect("start c", "continue")
	w.next()
	w.expect()
}

func TestUpgradeDuringAnIndependentBoot(t *testing.T) {
	w := newBatchTest(t, "a", "b", "c")
	w.expect("start a", "continue")
	w.next()
	w.expect("start b", "continue")
	conf := Config{Strategy: strategy.Independent, Intensity: strategy.Unlimited()}
	if err := w.m.Upgrade(conf, specsOf([]string{"new", "c", "b"}), 0); err != nil { // a moves to the end
		t.Fatal(err)
	}
	w.expect()
	w.m.Restart(w.m.Child("a"), nil, 0)
	w.expect("stop a")
	w.exit("a") // it is marked, and starts in its turn
	w.expect()
	w.next()
	w.expect("continue")
	w.next()
	w.expect("start c", "continue")
	w.next()
	w.expect("continue")
	w.next()
	w.expect("start a")
	for _, name := range []string{"a", "b"} {
		w.m.Ready(w.m.Child(name), w.m.Child(name).Run(), 0)
		w.expect()
	}
	w.m.Ready(w.m.Child("c"), 1, 0)
	w.expect("up")
	w.m.Restart(w.m.Child("new"), nil, 0)
	w.expect("start new")
	if w.m.Child("a").Restarts != 0 {
		t.Error("a requested restart is not counted")
	}
}

func TestOnlyRemainingChildrenHaveNamesWhenAnIndependentSupervisorIsOver(t *testing.T) {
	w := newBatchTest(t, "a", "b", "c")
	w.m.listNames()
	w.expect("start a", "continue")
	w.m.Close(0)
	w.expect("stop a", "continue")
	w.exit("a")
	w.expect("over")
	if w.m.Child("a") != nil || w.m.Child("b") == nil || w.m.Child("c") == nil || len(w.m.names) != w.m.Specs() {
		t.Errorf("%d of %d, %v", len(w.m.names), w.m.Specs(), w.m.names)
	}
}

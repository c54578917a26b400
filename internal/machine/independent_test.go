package machine

import (
	"slices"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A walker is a crew that is walked over one child at a time.
type batchTest struct {
	*testing.T
	m *Machine
}

func newBatchTest(t *testing.T, names ...string) (w batchTest, acts []Action) {
	w = batchTest{t, New(Config{Strategy: strategy.Independent, Intensity: strategy.Unlimited()})}
	w.m.batchSize = 1
	return w, w.m.Boot(specsOf(names), 0)
}

func specsOf(names []string) (specs []child.Spec) {
	for _, name := range names {
		specs = append(specs, worker(name))
	}
	return specs
}

// expect compares what the actions start and stop, and whether there is more.
func (w batchTest) expect(acts []Action, want ...string) {
	w.Helper()
	got := []string{}
	for _, a := range acts {
		switch a.Kind {
		case Launch:
			got = append(got, "start "+a.Child.Name())
		case Cancel:
			got = append(got, "stop "+a.Child.Name())
		case Continue, IsUp, IsOver:
			got = append(got, map[Kind]string{Continue: "more", IsUp: "up", IsOver: "over"}[a.Kind])
		}
	}
	if !slices.Equal(got, want) {
		w.Fatalf("%v, not %v", got, want)
	}
}

func (w batchTest) exit(name string) []Action {
	c := w.m.Child(name)
	return w.m.Exited(c, c.Run(), Outcome{}, 0)
}

func (w batchTest) more() []Action { return w.m.Continue(0) }

func TestCrewIsStoppedToTheLastWhoeverEndsMeanwhile(t *testing.T) {
	w, acts := newBatchTest(t, "a", "b", "c", "d")
	w.expect(acts, "start a", "more")
	w.expect(w.more(), "start b", "more")
	w.expect(w.more(), "start c", "more")
	w.expect(w.more(), "start d")
	w.expect(w.m.Close(0), "stop a", "more")
	w.expect(w.exit("a"))
	w.expect(w.exit("b")) // the next to be asked, and the first now
	w.expect(w.more(), "stop c", "more")
	w.expect(w.exit("c"))
	w.expect(w.more(), "stop d")
	w.expect(w.exit("d"), "over")
	w.expect(w.more())
}

func TestCrewThatEndsWhileItStartsStartsNobodyElse(t *testing.T) {
	w, acts := newBatchTest(t, "a", "b", "c")
	w.expect(acts, "start a", "more")
	w.expect(w.more(), "start b", "more")
	w.expect(w.m.Close(0), "stop a", "more")
	w.expect(w.more(), "stop b", "more") // which the start had asked for
	w.expect(w.exit("b"))
	w.expect(w.exit("a"), "over")
	w.expect(w.more()) // which the end had asked for
}

func TestChildrenAreAddedToTheEndOfACrewThatStarts(t *testing.T) {
	w, acts := newBatchTest(t, "a", "b")
	w.expect(acts, "start a", "more")
	spec := worker("x")
	x, acts := w.m.Add(&spec, &Waiter{Who: "caller"}, 0)
	w.expect(acts)
	w.expect(w.more(), "start b", "more")
	w.expect(w.m.Ready(w.m.Child("a"), 1, 0))
	w.expect(w.m.Ready(w.m.Child("b"), 1, 0), "up") // x is not declared
	w.expect(w.more(), "start x")
	if who := answered(w.m.Ready(x, 1, 0)); !slices.Equal(who, []any{"caller"}) {
		t.Error(who)
	}
}

func TestChildThatIsRemovedBeforeItsTurnDoesNotHoldUpACrew(t *testing.T) {
	w, acts := newBatchTest(t, "a", "b", "c")
	w.expect(acts, "start a", "more")
	w.m.Ready(w.m.Child("a"), 1, 0)
	w.expect(w.m.Stop(w.m.Child("b"), true, nil, 0))
	w.expect(w.m.Stop(w.m.Child("c"), false, nil, 0), "up") // forgotten, as all that is stopped in a crew
	w.expect(w.more())
	if w.m.Specs() != 1 {
		t.Error(w.m.Specs())
	}
	spec := worker("x")
	_, acts = w.m.Add(&spec, nil, 0)
	w.expect(acts, "start x")
}

func TestCrewThatIsSuspendedGoesOnOnce(t *testing.T) {
	w, acts := newBatchTest(t, "a", "b", "c")
	w.expect(acts, "start a", "more")
	w.expect(w.m.Suspend(0))
	w.expect(w.more())
	w.expect(w.more())
	w.expect(w.m.Resume(0), "start b", "more")
	w.expect(w.m.Resume(0))
	w.expect(w.more(), "start c", "more") // for those that were held
	w.expect(w.more())
}

func TestUpgradeOfACrewThatStarts(t *testing.T) {
	w, acts := newBatchTest(t, "a", "b", "c")
	w.expect(acts, "start a", "more")
	w.expect(w.more(), "start b", "more")
	conf := Config{Strategy: strategy.Independent, Intensity: strategy.Unlimited()}
	acts, err := w.m.Upgrade(conf, specsOf([]string{"new", "c", "b"}), 0) // and a behind them
	if err != nil {
		t.Fatal(err)
	}
	w.expect(acts)
	w.expect(w.m.Restart(w.m.Child("a"), nil, 0), "stop a")
	w.expect(w.exit("a")) // its turn is to come
	w.expect(w.more(), "more")
	w.expect(w.more(), "start c", "more")
	w.expect(w.more(), "more")
	w.expect(w.more(), "start a")
	for _, name := range []string{"a", "b"} {
		w.expect(w.m.Ready(w.m.Child(name), w.m.Child(name).Run(), 0))
	}
	w.expect(w.m.Ready(w.m.Child("c"), 1, 0), "up")
	w.expect(w.m.Restart(w.m.Child("new"), nil, 0), "start new")
	if w.m.Child("a").Restarts != 0 {
		t.Error("who was asked for costs no restart")
	}
}

func TestNamesAreThoseThatAreLeftWhenACrewHasEnded(t *testing.T) {
	w, acts := newBatchTest(t, "a", "b", "c")
	w.expect(acts, "start a", "more")
	w.expect(w.m.Close(0), "stop a", "more")
	w.expect(w.exit("a"), "over")
	if w.m.Child("a") != nil || w.m.Child("b") == nil || w.m.Child("c") == nil || len(w.m.names) != w.m.Specs() {
		t.Errorf("%d of %d, %v", len(w.m.names), w.m.Specs(), w.m.names)
	}
}

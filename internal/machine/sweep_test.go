package machine

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// fates returns what becomes of whom, in order.
func fates(m *Machine) (all []string) {
	for _, a := range drain(m) {
		switch a.Kind {
		case Launch:
			all = append(all, "start "+a.Child.Name())
		case Cancel:
			all = append(all, "stop "+a.Child.Name())
		case Abandon:
			all = append(all, "abandon "+a.Child.Name())
		case Continue:
			all = append(all, "more")
		case IsOver:
			all = append(all, "over")
		}
	}
	return all
}

func TestAbandonAllWorksInBatchesWithEveryStrategy(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		t.Run(s.String(), func(t *testing.T) {
			m := readyMachine(s, "a", "b", "c")
			want := [][]string{
				{"stop a", "more", "abandon a"}, // the end itself walks over a crew, too
				{"stop b", "more", "abandon b"},
				{"stop c", "abandon c", "over"},
			}
			if rules.Ordered(s) { // the end itself asks the last, and each that has become the last
				want = [][]string{
					{"stop a", "abandon a", "more", "stop c"},
					{"stop b", "abandon b", "more"},
					{"abandon c", "over"},
				}
			}
			m.AbandonAll(0)
			requireFates(t, fates(m), want[0])
			if !m.Abandoning() {
				t.Error("it is halting until the last was abandoned")
			}
			m.Continue(0)
			requireFates(t, fates(m), want[1])
			m.Continue(0)
			requireFates(t, fates(m), want[2])
			if m.Abandoning() {
				t.Error("nothing is left to abandon")
			}
			m.Continue(0)
			requireFates(t, fates(m), nil)
		})
	}
}

// A child that is removed while it is the next to be swept over.
func TestSweepSkipsChildrenThatAreRemoved(t *testing.T) {
	m := readyMachine(strategy.Independent, "a", "b", "c")
	m.AbandonAll(0)
	requireFates(t, fates(m), []string{"stop a", "more", "abandon a"})
	b := m.Child("b")
	m.Exited(b, b.Run(), Outcome{}, 0)
	m.Continue(0)
	requireFates(t, fates(m), []string{"stop c", "abandon c", "over"})
}

func TestAbandonAllReplacesCancelAll(t *testing.T) {
	m := readyMachine(strategy.Independent, "a", "b")
	m.CancelAll(0)
	requireFates(t, fates(m), []string{"stop a", "more"})
	m.AbandonAll(0)
	requireFates(t, fates(m), []string{"abandon a", "more"})
	m.CancelAll(0)
	requireFates(t, fates(m), nil) // it asks for less
	m.Continue(0)
	requireFates(t, fates(m), []string{"stop b", "abandon b", "over"})
}

// What waits for Resume is started in stretches; Suspend in the middle keeps the rest.
func TestResumeStartsInBatches(t *testing.T) {
	m := readyMachine(strategy.OneForOne, "a", "b", "c")
	m.Suspend(0)
	for c := m.First(); c != nil; c = c.Next() {
		m.Exited(c, c.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
	}
	m.Resume(0)
	requireFates(t, fates(m), []string{"start a", "more"})
	m.Suspend(0)
	requireFates(t, fates(m), nil)
	m.Continue(0)
	requireFates(t, fates(m), nil)
	m.Resume(0)
	requireFates(t, fates(m), []string{"more"}) // a has nothing to wait for any more
	m.Continue(0)
	requireFates(t, fates(m), []string{"start b", "more"})
	m.Close(0)
	m.Continue(0)
	requireFates(t, fates(m), nil) // nothing starts at the end
}

// running returns a machine whose children are ready, and which sweeps over one at a time.
func readyMachine(s strategy.Strategy, names ...string) *Machine {
	m := New(Config{Strategy: s, Intensity: strategy.Unlimited()})
	m.Boot(specsOf(names), 0)
	for _, name := range names {
		c := m.Child(name)
		m.Ready(c, c.Run(), 0)
	}
	m.batchSize = 1
	return m
}

func requireFates(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%q, not %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%q, not %q", got, want)
		}
	}
}

// A supervisor gets its tenth for those that have not been asked, however late the
// first alarm was.
func TestNestedSupervisorCancelsAllBeforeItAbandonsAll(t *testing.T) {
	m := New(Config{})
	m.Boot([]child.Spec{{Name: "a", StopTimeout: 10 * time.Second}}, 0)
	c := m.Child("a")
	m.Linked(c, c.Run(), 0)
	m.Ready(c, c.Run(), 0)
	m.Close(0)
	for _, want := range []Kind{CancelAll, AbandonAll} {
		found := false
		m.Timer(c, c.Run(), StopTimer, time.Minute)
		for _, a := range drain(m) {
			found = found || a.Kind == want
			if a.Kind == Arm && a.Wait != time.Second {
				t.Errorf("%v for the rest, not a tenth", a.Wait)
			}
		}
		if !found {
			t.Errorf("no action %d", want)
		}
	}
}

func TestTimesSaturate(t *testing.T) {
	for _, d := range []time.Duration{child.Forever, child.Forever - 1} {
		if got := After(time.Minute, d); got != child.Forever {
			t.Errorf("%v", got)
		}
	}
	m := readyMachine(strategy.OneForOne, "a")
	m.conf.Backoff = true
	c := m.Child("a")
	m.Exited(c, c.Run(), Outcome{Kind: Failure, Err: errWorld}, time.Minute)
	m.BackoffDelay(c, child.Forever, time.Minute)
	if c.NextStart != child.Forever {
		t.Errorf("next start at %v", c.NextStart)
	}
}

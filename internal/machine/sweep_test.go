package machine

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// fates returns what the latest event does to which child, in order.
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
			all = append(all, "continue")
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
				{"stop a", "continue", "abandon a"}, // close stops a batch, and so does the sweep
				{"stop b", "continue", "abandon b"},
				{"stop c", "abandon c", "over"},
			}
			if rules.Ordered(s) { // close stops the last child, and then each that has become the last
				want = [][]string{
					{"stop a", "abandon a", "continue", "stop c"},
					{"stop b", "abandon b", "continue"},
					{"abandon c", "over"},
				}
			}
			m.AbandonAll(0)
			requireFates(t, fates(m), want[0])
			if !m.Abandoning() {
				t.Error("not abandoning, but children are left")
			}
			m.Continue(0)
			requireFates(t, fates(m), want[1])
			m.Continue(0)
			requireFates(t, fates(m), want[2])
			if m.Abandoning() {
				t.Error("still abandoning, but no child is left")
			}
			m.Continue(0)
			requireFates(t, fates(m), nil)
		})
	}
}

// b is removed while it is the next child of the sweep.
func TestSweepSkipsChildrenThatAreRemoved(t *testing.T) {
	m := readyMachine(strategy.Independent, "a", "b", "c")
	m.AbandonAll(0)
	requireFates(t, fates(m), []string{"stop a", "continue", "abandon a"})
	b := m.Child("b")
	m.Exited(b, b.Run(), Outcome{}, 0)
	m.Continue(0)
	requireFates(t, fates(m), []string{"stop c", "abandon c", "over"})
}

func TestAbandonAllReplacesCancelAll(t *testing.T) {
	m := readyMachine(strategy.Independent, "a", "b")
	m.CancelAll(0)
	requireFates(t, fates(m), []string{"stop a", "continue"})
	m.AbandonAll(0)
	requireFates(t, fates(m), []string{"abandon a", "continue"})
	m.CancelAll(0)
	requireFates(t, fates(m), nil) // the weaker request has no effect
	m.Continue(0)
	requireFates(t, fates(m), []string{"stop b", "abandon b", "over"})
}

// Children that wait for Resume start in batches. A Suspend in between holds the rest.
func TestResumeStartsInBatches(t *testing.T) {
	m := readyMachine(strategy.OneForOne, "a", "b", "c")
	m.Suspend(0)
	for c := m.First(); c != nil; c = c.Next() {
		m.Exited(c, c.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
	}
	m.Resume(0)
	requireFates(t, fates(m), []string{"start a", "continue"})
	m.Suspend(0)
	requireFates(t, fates(m), nil)
	m.Continue(0)
	requireFates(t, fates(m), nil)
	m.Resume(0)
	requireFates(t, fates(m), []string{"continue"}) // a is not held any more
	m.Continue(0)
	requireFates(t, fates(m), []string{"start b", "continue"})
	m.Close(0)
	m.Continue(0)
	requireFates(t, fates(m), nil) // nothing starts while closing
}

// readyMachine returns a machine whose children are ready, and whose batches are one child
// each.
func readyMachine(s strategy.Strategy, names ...string) *Machine {
	m := New(Config{Strategy: s, Intensity: strategy.Unlimited()})
	m.Boot(specsOf(names), nil, 0)
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

// A nested supervisor always gets the last tenth of its stop timeout to stop all its
// children at once, even if the timer for the first nine tenths fires late.
func TestNestedSupervisorCancelsAllBeforeItAbandonsAll(t *testing.T) {
	m := New(Config{})
	m.Boot([]child.Spec{{Name: "a", StopTimeout: 10 * time.Second}}, nil, 0)
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
				t.Errorf("%v for the last tenth", a.Wait)
			}
		}
		if !found {
			t.Errorf("no action of kind %d", want)
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
	if c.Failures().NextStart != child.Forever {
		t.Errorf("next start at %v", c.Failures().NextStart)
	}
}

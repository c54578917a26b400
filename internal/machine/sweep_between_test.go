package machine

import (
	"slices"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// Any event may come between two batches of a sweep. Each test uses batches of one child,
// and sends an event after the first batch.

// heldMachine returns a machine whose children have all failed and wait for Resume.
func heldMachine(s strategy.Strategy, names ...string) *Machine {
	m := readyMachine(s, names...)
	m.Suspend(0)
	for c := m.First(); c != nil; c = c.Next() {
		m.Exited(c, c.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
	}
	return m
}

// continueToTheEnd continues a sweep to its end, and returns the fates of the children.
func continueToTheEnd(m *Machine) (all []string) {
	for range 100 {
		m.Continue(0)
		got := fates(m)
		again := slices.Contains(got, "continue")
		for _, fate := range got {
			if fate != "continue" {
				all = append(all, fate)
			}
		}
		if !again {
			return all
		}
	}
	return append(all, "does not end")
}

func TestResumeWithOtherEventsBetweenBatches(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(m *Machine)
		now     []string // fates at once
		want    []string // fates in the remaining batches
	}{
		"nothing":              {func(*Machine) {}, nil, []string{"start b", "start c"}},
		"a child is stopped":   {func(m *Machine) { m.Stop(m.Child("b"), false, nil, 0) }, nil, []string{"start c"}},
		"a child is removed":   {func(m *Machine) { m.Stop(m.Child("b"), true, nil, 0) }, nil, []string{"start c"}},
		"the last is removed":  {func(m *Machine) { m.Stop(m.Child("c"), true, nil, 0) }, nil, []string{"start b"}},
		"a child is restarted": {func(m *Machine) { m.Restart(m.Child("c"), nil, 0) }, []string{"start c"}, []string{"start b"}},
		"a child is added":     {func(m *Machine) { m.Add(&child.Spec{Name: "d"}, nil, 0) }, []string{"start d"}, []string{"start b", "start c"}},
		"the first fails": {func(m *Machine) {
			c := m.Child("a")
			m.Ready(c, c.Run(), 0)
			m.Exited(c, c.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
		}, []string{"start a"}, []string{"start b", "start c"}},
		"suspended":          {func(m *Machine) { m.Suspend(0) }, nil, nil},
		"suspended, resumed": {func(m *Machine) { m.Suspend(0); m.Resume(0) }, []string{"continue"}, []string{"start b", "start c"}},
		"resumed again":      {func(m *Machine) { m.Resume(0) }, nil, []string{"start b", "start c"}},
		"upgraded": {func(m *Machine) {
			_ = m.Upgrade(m.conf, specsOf([]string{"c", "b", "a"}), 0)
		}, nil, []string{"start c", "start b"}},
		"upgraded to no children": {func(m *Machine) { _ = m.Upgrade(m.conf, nil, 0) }, nil, []string{"start b", "start c"}},
	} {
		for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
			t.Run(name+" "+s.String(), func(t *testing.T) {
				m := heldMachine(s, "a", "b", "c")
				m.Resume(0)
				requireFates(t, fates(m), []string{"start a", "continue"})
				test.happens(m)
				requireFates(t, fates(m), test.now)
				if live := m.Live(); live != 1+count(len(test.now) == 1 && test.now[0] != "continue" && test.now[0] != "start a") {
					t.Errorf("%d alive between batches", live)
				}
				requireFates(t, continueToTheEnd(m), test.want)
			})
		}
	}
}

func TestCancelAllAndAbandonAllWithOtherEventsBetweenBatches(t *testing.T) {
	exits := func(name string) func(m *Machine) {
		return func(m *Machine) {
			c := m.Child(name)
			m.Exited(c, c.Run(), Outcome{}, 0)
		}
	}
	for name, test := range map[string]struct {
		happens   func(m *Machine)
		cancelled []string
		abandoned []string
	}{
		"nothing":              {func(*Machine) {}, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"the first returns":    {exits("a"), []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"the next returns":     {exits("b"), nil, []string{"abandon c"}},
		"a child is added":     {func(m *Machine) { m.Add(&child.Spec{Name: "d"}, nil, 0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"a child is restarted": {func(m *Machine) { m.Restart(m.Child("b"), nil, 0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"a child is stopped":   {func(m *Machine) { m.Stop(m.Child("b"), true, nil, 0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"suspended":            {func(m *Machine) { m.Suspend(0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"resumed":              {func(m *Machine) { m.Resume(0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"suspended, resumed":   {func(m *Machine) { m.Suspend(0); m.Resume(0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"upgraded":             {func(m *Machine) { _ = m.Upgrade(m.conf, nil, 0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
		"asked again":          {func(m *Machine) { m.CancelAll(0) }, []string{"stop b"}, []string{"abandon b", "abandon c"}},
	} {
		t.Run(name, func(t *testing.T) {
			for what, want := range map[string][]string{"cancel all": test.cancelled, "abandon all": test.abandoned} {
				m := readyMachine(strategy.OneForOne, "a", "b", "c")
				begin := m.CancelAll
				if what == "abandon all" {
					begin = m.AbandonAll
				}
				begin(0)
				drain(m)
				test.happens(m)
				got := append(fates(m), continueToTheEnd(m)...)
				got = slices.DeleteFunc(got, func(fate string) bool {
					return fate == "continue" || fate == "over" || what == "abandon all" && fate[:4] == "stop"
				})
				requireFates(t, got, want)
				if m.sweep != (sweep{}) {
					t.Errorf("%s has not ended", what)
				}
			}
		})
	}
}

// The stop timer of a Stopping child fires between two batches of CancelAll.
func TestStopTimerFiresDuringASweep(t *testing.T) {
	m := readyMachine(strategy.Independent, "a", "b", "c")
	m.CancelAll(0)
	a := m.Child("a")
	m.Timer(a, a.Run(), StopTimer, time.Minute)
	requireFates(t, fates(m), []string{"abandon a"})
	requireFates(t, continueToTheEnd(m), []string{"stop b", "stop c"})
}

package observer

import (
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/strategy"
)

// The sentences of an observer are made here, so that the page and the command say the
// same. They say only what follows from the specs and from the states. Where nothing
// follows, there is no sentence. Those about one child are in this file, those about a group
// with one cause in causewords.go, those about the tree in treewords.go.

// restarted says how often a child has been restarted, after another sentence.
func restarted(s *child.Status) string {
	if s.Restarts == 0 {
		return ""
	}
	return fmt.Sprintf(" It has been restarted %s.", plural(s.Restarts, "time", "times"))
}

// inLine reports whether a child has not run yet, because its supervisor is starting and
// others are first.
func (m *model) inLine(i int32) bool {
	it := &m.items[i]
	return it.parent >= 0 && wellness.InLine(&it.tree.Status, &m.items[it.parent].tree.Status)
}

// say is the sentence about what a child does.
func (m *model) say(i int32, by string) string {
	it := &m.items[i]
	s := &it.tree.Status
	since := " since " + clock(s.Since, m.at) + "."
	times := restarted(s)
	switch it.look {
	case wellness.Unready:
		return "It is running, but says that it is not ready." + times
	case wellness.Abandoned:
		verb := "have"
		if s.Abandoned == 1 {
			verb = "has"
		}
		return fmt.Sprintf("It is running. %s did not stop in time and %s not returned yet.", plural(s.Abandoned, "earlier run", "earlier runs"), verb)
	case wellness.Degrades:
		sup := m.supers[i]
		return fmt.Sprintf("It is running, but %s of its %s dynamic children are in trouble.", count(sup.bad), count(sup.dynamic))
	case wellness.Standby:
		return "It has been standing by" + since
	case wellness.Suspended:
		return "It is running, but suspended: nothing is started in it until Resume."
	case wellness.Hung:
		return "It missed its heartbeat and was asked to stop at " + clock(s.Since, m.at) + "." + times
	case wellness.GaveUp:
		return "It gave up at " + clock(s.Since, m.at) + "."
	case wellness.Waiting:
		switch needs := m.waitsFor(i); {
		case len(needs) > 0:
			return "It has been waiting for " + listed(needs) + since
		case it.level == wellness.Notice:
			return "It has been waiting for its group, or for Resume," + since
		}
		return "It waits for its next start." + times
	case wellness.Starting:
		return "It has been starting" + since + times
	case wellness.Stopping:
		return "It has been stopping" + since
	case wellness.Stopped, wellness.Pending:
		if by != "" {
			return "It was stopped by " + by + " at " + clock(s.Since, m.at) + "."
		}
		if m.inLine(i) {
			return "It has not run yet: its turn comes when those declared before it are ready."
		}
		return "It has been stopped" + since
	case wellness.Done:
		return "It ended at " + clock(s.Since, m.at) + ", and is not restarted."
	}
	if sup := m.supers[i]; sup != nil && sup.trouble > 0 {
		return "It has been running" + since + fmt.Sprintf(" Below it, %s in trouble.", are(sup.trouble))
	}
	return "It has been running" + since + times
}

// follows says what comes next for a child.
func (m *model) follows(i int32, by string, ask asker) []view.Next {
	it := &m.items[i]
	s := &it.tree.Status
	all := []view.Next{}
	say := func(at time.Time, format string, args ...any) {
		all = append(all, view.Next{At: at, Text: fmt.Sprintf(format, args...)})
	}
	spec, known := ask.LookupSpec(s.Path)
	switch {
	case it.parent < 0:
		switch m.state {
		case view.Down:
			say(time.Time{}, "Nothing: the root has ended.")
		case view.Stopping:
			say(time.Time{}, "Its children stop in order. Then it ends.")
		default:
			say(time.Time{}, "If it gives up, its children stop in order, Serve returns the error, and the process decides.")
		}
	case s.State == child.Waiting:
		switch waits := m.waitsFor(i); {
		case len(waits) > 0:
			say(time.Time{}, "It starts when what it waits for is ready: %s.", listed(waits))
		case s.NextStart.IsZero():
			say(time.Time{}, "It starts when its turn comes.")
		default:
			say(s.NextStart, "It starts%s.", m.with(i))
		}
		if f, ok := ask.Forecast(s.Path); ok {
			if !f.GivesUp.IsZero() && (f.Ends.IsZero() || it.parent != 0) {
				say(f.GivesUp, "%s", givesUp(m, it, f))
			}
			if !f.Ends.IsZero() {
				say(f.Ends, "%s", m.worstOf(it, f).Text)
			}
		}
	case s.State == child.Stopping:
		if s.StopBy.IsZero() {
			say(time.Time{}, "It is waited for without a limit.")
		} else {
			say(s.StopBy, "If it has not returned, that run is abandoned.")
		}
		if s.Hung {
			say(time.Time{}, "Then it is restarted%s.", m.with(i))
		}
	case s.State == child.Starting:
		if known && spec.StartTimeout > 0 {
			say(s.Since.Add(spec.StartTimeout), "If it is not ready, its start has failed.")
		} else {
			say(time.Time{}, "It becomes ready, or fails. Its start may take any time.")
		}
	case it.look == wellness.Unready:
		say(time.Time{}, "It says itself when it is ready again: a child that is not ready is not restarted.")
	case m.inLine(i) && by == "":
		switch waits := m.waitsFor(i); {
		case len(waits) > 0:
			say(time.Time{}, "It starts when what it waits for is ready: %s.", listed(waits))
		case m.items[it.parent].tree.Strategy == strategy.Graph:
			say(time.Time{}, "It starts when its turn comes.")
		default:
			say(time.Time{}, "It starts when those declared before it are ready.")
		}
	case s.State == child.Stopped || s.State == child.Done:
		starter := " or its group"
		if m.items[it.parent].tree.Strategy == strategy.Graph {
			starter = ", or the start of one that needs it,"
		}
		say(time.Time{}, "Nothing, until an operator%s starts it.", starter)
	default:
		switch s.Restart {
		case child.Temporary:
			say(time.Time{}, "When it ends, it is removed.")
		case child.Transient:
			say(time.Time{}, "If it fails, it is restarted%s%s. If it ends without a failure, it is done.", m.pause(i, spec, ask), m.with(i))
		default:
			say(time.Time{}, "When it ends, it is restarted%s%s.", m.pause(i, spec, ask), m.with(i))
		}
	}
	return all
}

// pause says whether a restart comes after a backoff.
func (m *model) pause(i int32, spec child.Spec, ask asker) string {
	if hasBackoff(m.items[m.items[i].parent].tree.Path, spec, ask) {
		return " after its backoff"
	}
	return " at once"
}

// hasBackoff reports whether a child of the supervisor at a path has a backoff.
func hasBackoff(above string, spec child.Spec, ask asker) bool {
	if spec.Backoff != nil {
		return true
	}
	of, ok := ask.supervisorSpec(above)
	return ok && of.Backoff != nil
}

// with says which siblings are restarted with a child.
func (m *model) with(i int32) string {
	others, _ := m.companions(i)
	switch n := len(others); {
	case n == 0:
		return ", alone"
	case n <= mostWith:
		text := ", and with it "
		for j, o := range others {
			switch {
			case j > 0 && j == n-1:
				text += " and "
			case j > 0:
				text += ", "
			}
			text += valid(m.items[o].tree.Name, view.MaxText)
		}
		return text
	default:
		return fmt.Sprintf(", and with it %s others", count(n))
	}
}

// companions returns the siblings that are restarted with a child that fails. Temporary
// ones are removed instead; they are returned too, since they end with it.
func (m *model) companions(i int32) (others []int32, sup int32) {
	sup = m.items[i].parent
	if sup < 0 {
		return nil, sup
	}
	kind := m.items[sup].tree.Strategy
	if kind == strategy.Graph {
		return m.dependents(i), sup
	}
	if kind != strategy.OneForAll && kind != strategy.RestForOne {
		return nil, sup
	}
	for k := sup + 1; k < m.items[sup].end; k = m.items[k].end {
		if k == i || kind == strategy.RestForOne && k < i {
			continue
		}
		others = append(others, k)
	}
	return others, sup
}

package observer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/supervisor"
)

// sentences says what the tree does about a group, what comes next, and what can be done.
//
// If the members look different, it says what most of them do, after a list.
func sentences(m *model, g *group, ask asker, f supervisor.Forecast) (doing, next, safe string) {
	most, looks := m.byLook(g)
	if len(looks) == 1 {
		return m.sentences(g, g.worst, len(g.members), ask, f)
	}
	_, next, safe = m.sentences(g, most, looks[m.items[most].look], ask, f)
	return m.list(looks), next, safe
}

// byLook counts the members of a group by look, and returns one of those that are most.
func (m *model) byLook(g *group) (most int32, looks map[wellness.Look]int) {
	looks = map[wellness.Look]int{}
	for _, i := range g.members {
		looks[m.items[i].look]++
	}
	most = g.worst
	for _, i := range g.members {
		if looks[m.items[i].look] > looks[m.items[most].look] {
			most = i
		}
	}
	return most, looks
}

// list says how many of a group look how, the most first.
func (m *model) list(looks map[wellness.Look]int) string {
	words := map[wellness.Look]string{
		wellness.Waiting: "waiting for the next start", wellness.Starting: "starting again", wellness.Unready: "running, but not ready",
		wellness.Hung: "stopping after a missed heartbeat", wellness.GaveUp: "down for good", wellness.Stopped: "stopped",
		wellness.Abandoned: "running beside an abandoned run",
	}
	order := slices.SortedFunc(maps.Keys(looks), func(a, b wellness.Look) int {
		return cmp.Or(cmp.Compare(looks[b], looks[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, look := range order {
		parts = append(parts, are(looks[look])+" "+words[look])
	}
	return strings.Join(parts, "; ") + "."
}

// sentences are those of n members of a group that look like the one at index i.
func (m *model) sentences(g *group, i int32, n int, ask asker, f supervisor.Forecast) (doing, next, safe string) {
	worst := &m.items[i]
	s := &worst.tree.Status
	at := func(t time.Time) string { return clock(t, m.at) }
	switch worst.look {
	case wellness.Waiting, wellness.Starting:
		if worst.look == wellness.Starting && !s.Failing {
			doing = fmt.Sprintf("It has been starting since %s.", at(s.Since))
			if n > 1 {
				doing = fmt.Sprintf("%s have been starting for longer than %v.", count(n), wellness.SlowStart)
			}
			next = "A start may take any time: its StartTimeout is not set."
			if spec, ok := ask.LookupSpec(s.Path); ok && spec.StartTimeout > 0 {
				next = fmt.Sprintf("If %s is not ready by %s, its start has failed.", s.Path, at(s.Since.Add(spec.StartTimeout)))
			}
			if m.supers[i] != nil {
				return doing, next, "Look at the first of its children that is not ready: the start waits for it."
			}
			return doing, next, "Look at its goroutines. A start that needs more than a moment usually lacks a call of Ready."
		}
		if !g.fails {
			return "It waits for others to start or stop, or for Resume.", "It starts when its turn comes.", ""
		}
		waiting, starting, first, last := 0, 0, time.Time{}, time.Time{}
		for _, i := range g.members {
			st := &m.items[i].tree.Status
			switch {
			case st.State == child.Starting:
				starting++
			case st.State == child.Waiting:
				waiting++
				if !st.NextStart.IsZero() {
					if first.IsZero() || st.NextStart.Before(first) {
						first = st.NextStart
					}
					if st.NextStart.After(last) {
						last = st.NextStart
					}
				}
			}
		}
		switch {
		case n == 1 && waiting == 1:
			doing = "It waits for its next start." + restarted(s)
		case n == 1:
			doing = fmt.Sprintf("It is starting again, after %s.", plural(s.Restarts, "restart", "restarts"))
		case starting == 0:
			doing = fmt.Sprintf("Each of the %s waits for its own next start.", count(waiting))
		case waiting == 0:
			doing = fmt.Sprintf("All %s are starting again.", count(starting))
		default:
			doing = fmt.Sprintf("%s wait for their next start, %s starting.", count(waiting), are(starting))
		}
		switch {
		case first.IsZero() && waiting > 0:
			next = "The time of the next start is not set yet."
		case first.IsZero():
			next = "Each becomes ready, or fails again."
		case waiting == 1:
			next = fmt.Sprintf("The next start is at %s.", at(first))
		default:
			next = fmt.Sprintf("The next starts are from %s to %s.", at(first), at(last))
		}
		if !f.GivesUp.IsZero() {
			next += " " + givesUp(m, worst, f)
		}
		safe = spared(m, g)
	case wellness.Unready:
		doing = "It is running, but says that it is not ready."
		if n > 1 {
			doing = fmt.Sprintf("%s are running, but say that they are not ready.", count(n))
		}
		next = "A child that is not ready is not restarted: it says so itself when it is ready again."
		safe = spared(m, g)
	case wellness.Hung:
		doing = "It missed its heartbeat and was asked to stop."
		if n > 1 {
			doing = fmt.Sprintf("%s missed their heartbeat and were asked to stop.", count(n))
		}
		switch {
		case s.State == child.Waiting && !s.NextStart.IsZero():
			doing = "It missed its heartbeat and was stopped."
			next = fmt.Sprintf("The next start is at %s.", at(s.NextStart))
		case !s.StopBy.IsZero():
			next = fmt.Sprintf("If %s has not returned by %s, that run is abandoned, and a new one starts.", s.Path, at(s.StopBy))
		default:
			next = "It is waited for without a limit."
		}
		safe = "Look at its goroutines before they are gone."
	case wellness.GaveUp:
		doing = "The supervisor gave up and has stopped its children."
		if worst.parent < 0 {
			return doing, "Serve has returned this error: what the process does with it is its own decision.", ""
		}
		next = "Nothing, until an operator starts it."
		safe = fmt.Sprintf("Start %s.", s.Path)
		if sup := m.supers[i]; sup != nil && sup.kids > 0 { // the children of one that is over are not known
			safe = fmt.Sprintf("Start %s: that starts its %s, and nothing else.", s.Path, plural(sup.kids, "child", "children"))
		}
	case wellness.Abandoned:
		doing = "A new run works. The goroutine of the old one has not returned."
		next = "Go cannot end a goroutine: if it never returns, only a restart of the process frees it."
		safe = "Look at its goroutines to see where it waits."
	case wellness.Stopped:
		doing = "It stays stopped."
		next = "Nothing, until an operator starts it."
		safe = fmt.Sprintf("Start %s.", s.Path)
	}
	return doing, next, safe
}

// spared says what a restart of the supervisor of all members would cost the others.
func spared(m *model, g *group) string {
	if len(g.super) != 1 || len(g.members) < 2 {
		return ""
	}
	for sup, n := range g.super {
		s := m.supers[sup]
		if well := s.kids - n; sup > 0 && well > n {
			return fmt.Sprintf("Do not restart %s: that would also end %s that have nothing to do with it.", m.items[sup].tree.Path, plural(well, "child", "children"))
		}
	}
	return ""
}

// givesUp says when the supervisor of a child gives up.
func givesUp(m *model, it *item, f supervisor.Forecast) string {
	sup := m.items[it.parent].tree.Path
	return fmt.Sprintf("If it fails %s more, %s gives up, at %s at the earliest.", plural(f.Left+1, "time", "times"), sup, clock(f.GivesUp, m.at))
}

package observer

import (
	"fmt"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/strategy"
)

// specWords says the spec of a child in sentences.
func (o *Observer) specWords(m *model, i int32) []string {
	it := &m.items[i]
	all := []string{}
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	spec, known := child.Spec{}, false
	if it.parent >= 0 {
		spec, known = o.LookupSpec(it.tree.Path)
	}
	if known {
		switch spec.Restart {
		case child.Permanent:
			say("Permanent: it is restarted whenever it ends.")
		case child.Transient:
			say("Transient: it is restarted after a failure, not when it ends without one.")
		case child.Temporary:
			say("Temporary: it is never restarted, and removed when it ends.")
		}
		if spec.Restart != child.Temporary {
			if hasBackoff(m.items[it.parent].tree.Path, spec, o) {
				reset := spec.ResetAfter
				if reset == 0 {
					reset = child.DefaultResetAfter
				}
				say("Restarts wait for its backoff, which starts over once it has been ready for %v.", reset)
			} else {
				say("It is restarted at once, and each restart counts towards the limit of its supervisor.")
			}
		}
		e, explained := o.root.ExplainChild(it.tree.Path)
		if explained && spec.Restart != child.Temporary {
			all = append(all, persistence(&e))
		}
		if spec.Significant {
			say("Significant: its end may end its supervisor.")
		}
		if spec.StartTimeout > 0 {
			say("Its start may take %v.", spec.StartTimeout)
		} else {
			say("Its start may take any time.")
		}
		if spec.RetryStart {
			say("A first start that fails is retried.")
		}
		switch spec.StopTimeout {
		case 0:
			if m.supers[i] != nil && explained && e.LongestStop != child.Forever {
				say("Its stop may take as long as its children need: at most %v.", e.LongestStop)
			} else if m.supers[i] != nil {
				say("Its stop may take as long as its children need.")
			} else {
				say("Its stop may take %v.", child.DefaultStopTimeout)
			}
		case child.Forever:
			say("Its stop may take any time.")
		case child.AtOnce:
			say("Its stop is not waited for.")
		default:
			say("Its stop may take %v.", spec.StopTimeout)
		}
		if len(spec.Needs) > 0 {
			say("It needs %s: it starts after that and stops before it, and fails with it.", listed(spec.Needs))
		}
		if len(spec.After) > 0 {
			say("It starts after %s and stops before it, if they do so at the same time.", listed(spec.After))
		}
		if spec.Heartbeat > 0 {
			say("It must call Heartbeat every %v, or it counts as hung and is restarted.", spec.Heartbeat)
		}
	}
	if m.supers[i] == nil {
		return all
	}
	of, ok := o.supervisorSpec(it.tree.Path)
	if !ok {
		return all
	}
	switch of.Strategy {
	case strategy.OneForOne:
		say("One-for-one: a child that fails is restarted alone.")
	case strategy.OneForAll:
		say("One-for-all: if a child fails, all are restarted.")
	case strategy.RestForOne:
		say("Rest-for-one: if a child fails, it and those after it are restarted.")
	case strategy.Independent:
		say("Independent: a child that fails is restarted alone, and children start and stop concurrently.")
	case strategy.Graph:
		say("Graph: a child that fails is restarted with those that need it, and children start and stop along what they need.")
	default:
		say("Strategy: %v.", of.Strategy)
	}
	switch n, period, limited := of.Intensity.Limit(); {
	case of.Backoff != nil:
		say("Its children have a backoff: it gives up only when a policy does.")
	case limited:
		say("It gives up after more than %s in %v, those of children with a backoff of their own not counted.", plural(n, "restart", "restarts"), period)
	default:
		say("It permits any number of restarts.")
	}
	if of.MaxChildren > 0 {
		say("It has at most %s.", plural(of.MaxChildren, "child", "children"))
	}
	if of.Drain > 0 && it.parent < 0 {
		say("When its stop is requested, it runs on for %v, not ready, before it stops its children.", of.Drain)
	}
	if of.StopTimeout > 0 && of.StopTimeout != child.Forever {
		say("Its whole stop may take %v.", of.StopTimeout)
	}
	return all
}

// mostLookups is the number of specs that are read to add up the time of a stop.
const mostLookups = 1000

// longestStop says how long the stop of a child may take. It is empty if that is not known,
// because there are too many children.
func (o *Observer) longestStop(m *model, i int32) string {
	left := mostLookups
	d, ok := o.stopTime(m, i, &left)
	switch {
	case !ok:
		return ""
	case d == child.Forever:
		return "no limit"
	}
	return d.String()
}

// listed returns names as "a, b and 7 others".
func listed(names []string) string {
	const most = 5
	shown := make([]string, min(len(names), most))
	for i := range shown {
		shown[i] = valid(names[i], view.MaxText)
	}
	if more := len(names) - most; more > 0 {
		return strings.Join(shown, ", ") + " and " + plural(more, "other", "others")
	}
	return strings.Join(shown, ", ")
}

// stopTime adds up stop timeouts: those of ordered children, the longest of others, and
// along the edges of a Graph supervisor.
func (o *Observer) stopTime(m *model, i int32, left *int) (time.Duration, bool) {
	if *left--; *left < 0 {
		return 0, false
	}
	path := m.items[i].tree.Path
	spec, known := o.LookupSpec(path)
	switch {
	case known && spec.StopTimeout > 0:
		return spec.StopTimeout, true // Forever too
	case known && spec.StopTimeout == child.AtOnce:
		return 0, true
	case m.supers[i] == nil:
		return child.DefaultStopTimeout, known
	}
	of, ok := o.supervisorSpec(path)
	if !ok {
		return 0, false
	}
	var sum, longest time.Duration
	own := make(map[string]time.Duration) // of a Graph supervisor: of each child that runs
	for k := i + 1; k < m.items[i].end; k = m.items[k].end {
		if !m.items[k].tree.State.Alive() {
			continue
		}
		d, ok := o.stopTime(m, k, left)
		if !ok {
			return 0, false
		}
		longest = max(longest, d)
		if of.Strategy == strategy.Graph {
			own[m.items[k].tree.Name] = d
		}
		sum = machine.After(sum, d)
	}
	switch of.Strategy {
	case strategy.Independent:
	case strategy.Graph:
		longest = m.longestPath(i, own)
	default:
		longest = sum
	}
	if of.StopTimeout > 0 {
		longest = min(longest, of.StopTimeout)
	}
	return longest, true
}

// longestPath returns the longest time of a stop of the children of a Graph supervisor, given
// the time of each: a child stops when those that need it or come after it are down.
func (m *model) longestPath(sup int32, own map[string]time.Duration) (longest time.Duration) {
	next := make(map[string][]string) // what may stop once a child is down
	waits := make(map[string]int)     // for how many others a child waits
	for k := sup + 1; k < m.items[sup].end; k = m.items[k].end {
		t := m.items[k].tree
		for _, names := range [][]string{t.Needs, t.After} {
			for _, name := range names {
				next[t.Name] = append(next[t.Name], name)
				waits[name]++
			}
		}
	}
	until := make(map[string]time.Duration) // until those before it are down
	var todo []string
	for k := sup + 1; k < m.items[sup].end; k = m.items[k].end {
		if name := m.items[k].tree.Name; waits[name] == 0 {
			todo = append(todo, name)
		}
	}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		down := machine.After(until[name], own[name])
		longest = max(longest, down)
		for _, need := range next[name] {
			until[need] = max(until[need], down)
			if waits[need]--; waits[need] == 0 {
				todo = append(todo, need)
			}
		}
	}
	return longest
}

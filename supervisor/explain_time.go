package supervisor

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// How long a start and a stop may take follows from the timeouts, and from the rules of the
// machine. The tests compare that with what the machine does.

// lasting is how long something may take.
type lasting struct {
	start, stop           time.Duration // child.Forever: no limit
	startParts, stopParts []Part        // what makes it long
	tail                  time.Duration // how long it may still take once all its children were abandoned
}

const (
	settingStop  = "Spec.StopTimeout"
	settingDrain = "Spec.Drain"
)

// mostParts is the number of parts that an Explanation has.
const mostParts = 5

// afterAbandoning is how long a run that wraps a supervisor may take to return once the
// supervisor has abandoned its children.
const afterAbandoning = machine.AfterAbandonAll

// runsSupervisor reports whether a Run is the Run of a Supervisor itself, which returns at
// once when the supervisor has ended. It reports false for a function that calls it, and may
// do more.
func runsSupervisor(run func(child.Context) error) bool {
	return run != nil && reflect.ValueOf(run).Pointer() == supervisorRun
}

var supervisorRun = reflect.ValueOf(new(Supervisor).Run).Pointer()

// lastingOf returns how long a child may take. below are the times of the supervisor in it, if
// it is nested. direct means that the child does nothing else.
func lastingOf(path string, spec *child.Spec, nested, direct bool, below lasting) (t lasting) {
	limit, limited := spec.StartTimeout, spec.StartTimeout > 0
	switch {
	case nested && direct && (!limited || below.start <= limit):
		t.start, t.startParts = below.start, below.startParts
	case limited:
		t.start, t.startParts = limit, []Part{{path, limit, "StartTimeout"}}
	default:
		t.start, t.startParts = child.Forever, []Part{{path, child.Forever, "StartTimeout"}}
	}

	own := spec.StopTimeout
	switch own {
	case 0:
		own = child.DefaultStopTimeout
	case child.AtOnce:
		own = 0
	}
	part := func(d time.Duration) []Part { return []Part{{path, d, "StopTimeout"}} }
	switch {
	case !nested:
		t.stop, t.stopParts = own, part(own)
		return t
	case direct:
		t.tail = below.tail
	default:
		t.tail = below.tail + afterAbandoning
	}
	unlimited := spec.StopTimeout == 0 || spec.StopTimeout == child.Forever
	switch {
	case direct && (unlimited || below.stop <= own):
		t.stop, t.stopParts = below.stop, below.stopParts
	case direct:
		t.stop, t.stopParts = machine.After(own, below.tail), part(own)
	case unlimited: // the rest of the run has its own time, or the supervisor has not started when the stop begins
		t.stop = machine.After(own, max(own, below.stop))
		t.stopParts = append(part(own), below.stopParts...)
	default:
		t.stop = machine.After(own, max(own, t.tail))
		t.stopParts = part(t.stop)
	}
	if t.stop == child.Forever && own == child.Forever {
		t.stopParts = part(child.Forever)
	}
	return t
}

// A sum adds up the times of the children of a supervisor: of all of them, of the longest path
// along the edges of a Graph, or only the longest one if all start and stop concurrently.
type sum struct {
	x   *explained
	t   lasting
	all []lasting // of a Graph with edges
}

func newSum(x *explained) *sum { return &sum{x: x} }

func (s *sum) add(c ChildExplanation, t lasting) {
	if s.x.edges() != nil {
		s.all = append(s.all, t)
	} else if s.x.ordered {
		s.t.start, s.t.stop = machine.After(s.t.start, t.start), machine.After(s.t.stop, t.stop)
		s.t.startParts, s.t.stopParts = longest(s.t.startParts, t.startParts), longest(s.t.stopParts, t.stopParts)
	} else {
		if t.start > s.t.start {
			s.t.start, s.t.startParts = t.start, t.startParts
		}
		if t.stop > s.t.stop {
			s.t.stop, s.t.stopParts = t.stop, t.stopParts
		}
	}
	if c.Supervisor != nil {
		s.t.tail = max(s.t.tail, t.tail)
	}
}

// total returns the times of the supervisor, within its StopTimeout.
func (s *sum) total() lasting {
	if e := s.x.edges(); e != nil {
		s.t.start, s.t.startParts = e.longestPath(s.all, func(t *lasting) (time.Duration, []Part) { return t.start, t.startParts })
		s.t.stop, s.t.stopParts = e.longestPath(s.all, func(t *lasting) (time.Duration, []Part) { return t.stop, t.stopParts })
	}
	limit := s.x.spec.StopTimeout
	if limit == 0 || limit == child.Forever {
		return s.t
	}
	if bounded := machine.After(limit, s.t.tail); bounded < s.t.stop {
		s.t.stop, s.t.stopParts = bounded, []Part{{s.x.path, limit, settingStop}}
	}
	return s.t
}

// withDrain returns the longest stop, and what makes it long, with the drain of a root.
func (s *sum) withDrain(t lasting) (time.Duration, []Part) {
	drain := s.x.spec.Drain
	if !s.x.root || drain == 0 {
		return t.stop, t.stopParts
	}
	return machine.After(drain, t.stop), longest(t.stopParts, []Part{{s.x.path, drain, settingDrain}})
}

// longest returns the longest of some parts.
func longest(parts, more []Part) []Part {
	all := make([]Part, 0, len(parts)+len(more))
	for _, p := range append(append(all, parts...), more...) {
		if p.Time > 0 {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b Part) int { return cmp.Compare(b.Time, a.Time) })
	if n := slices.IndexFunc(all, func(p Part) bool { return p.Time != child.Forever }); n > 0 {
		all = all[:n] // nothing else matters
	}
	return all[:min(len(all), mostParts)]
}

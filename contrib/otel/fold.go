package coppiceotel

import (
	"cmp"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/internal/kept"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Numbers of series: see Spec.MaxSeries. A child: ready, 6 states, restarts, 2 kinds of
// failures, the last failure, heartbeats, abandoned runs. A supervisor: 6 counts of
// children, in trouble, degraded, suspended, budget, gave up, 2 histograms; and 6 under
// SUPERVISOR/*. A gate: leading, transitions, failures, deadline. A periodic job: the last
// success. The tree: ready, draining, 6 states, events lost, series omitted.
const (
	seriesOfChild      = 13
	seriesOfSupervisor = 19
	seriesOfGate       = 4
	seriesOfJob        = 1
	seriesOfTree       = 10
)

// A fold decides which children have series of their own, and under which path all others
// are counted. It is not safe for concurrent use.
type fold struct {
	root  *supervisor.Supervisor
	room  int             // series that still fit
	asked map[string]bool // what Spec.SeriesFor says: set before each use, because it is user code

	shapes      map[string]*shape // of supervisors that have series, by path; until the next collection
	children    map[string]bool   // children that have series
	supervisors map[string]bool   // supervisors that have series
	gates       extras[gate.Gate]
	jobs        extras[periodic.Job]
	added       map[string]bool // those of children that have them only because SeriesFor asks
}

// A shape is what the spec of a supervisor says about its children.
type shape struct {
	independent bool
	declared    map[string]bool
}

func newFold(root *supervisor.Supervisor, spec Spec) *fold {
	f := &fold{
		root: root, room: spec.MaxSeries,
		shapes: make(map[string]*shape), children: make(map[string]bool), added: make(map[string]bool),
		gates: extras[gate.Gate]{series: seriesOfGate, have: make(map[string]*kept.Kept[gate.Gate])},
		jobs: extras[periodic.Job]{
			series: seriesOfJob, have: make(map[string]*kept.Kept[periodic.Job]),
			ended: func(st *child.Status) bool { return st.State == child.Done }, // the schedule is over: its last success may be long ago
		},
	}
	if f.room <= 0 {
		f.room = defaultMaxSeries
	}
	f.room -= seriesOfTree + seriesOfSupervisor
	f.supervisors = map[string]bool{root.Path(): true}
	return f
}

// rest returns the path under which the children of a supervisor are counted that have no
// series of their own.
func rest(sup string) string { return sup + "/*" }

// child returns the path under which a child is counted, and that of the supervisor.
func (f *fold) child(path string) (series, sup string) {
	sup = f.root.Path()
	below, inside := strings.CutPrefix(path, sup+"/")
	for inside {
		name, more, deeper := strings.Cut(below, "/")
		at := sup + "/" + name
		if !f.hasChild(sup, name, at) {
			break
		}
		if !deeper {
			return at, sup
		}
		if !f.hasSupervisor(at) {
			break
		}
		sup, below = at, more
	}
	return rest(sup), sup
}

// supervisor returns the path of the supervisor under which one is counted.
func (f *fold) supervisor(path string) string {
	if path == f.root.Path() {
		return path
	}
	series, sup := f.child(path)
	if series == path && f.hasSupervisor(path) {
		return path
	}
	return sup
}

// hasChild reports whether a child has series, and gives it some if there is room. Its
// supervisor has.
func (f *fold) hasChild(sup, name, path string) bool {
	if f.children[path] {
		return true
	}
	has, _ := f.admit(name, path, f.shape(sup).declares(name))
	return has
}

// admit is hasChild for a child of which is known whether it is declared. It also reports
// whether the child should have series.
func (f *fold) admit(name, path string, declared bool) (has, wanted bool) {
	switch {
	case len(path) > maxText || name == "*" || !declared && !f.asked[path]:
		return false, false
	case f.children[path]:
		return true, true
	case f.room < seriesOfChild:
		return false, true
	}
	f.room -= seriesOfChild
	f.children[path] = true
	if !declared {
		f.added[path] = true
	}
	return true, true
}

// declared reports whether a child of a supervisor has series without being asked for.
func declared(sup *supervisor.Tree, c *child.Status) bool {
	return sup.Strategy != strategy.Independent && !c.Added
}

// hasSupervisor reports whether a supervisor has series, and gives it some if there is
// room. The child in which it runs has.
func (f *fold) hasSupervisor(path string) bool {
	if f.supervisors[path] {
		return true
	}
	if f.room < seriesOfSupervisor {
		return false
	}
	f.room -= seriesOfSupervisor
	f.supervisors[path] = true
	return true
}

// shape returns what is known about the spec of a supervisor, or nil if it does not run.
// Events need it, which come before the collection has seen the child. It is kept until
// then.
func (f *fold) shape(path string) *shape {
	s := f.shapes[path]
	if s == nil {
		s = f.ask(path)
		f.shapes[path] = s
	}
	return s
}

// ask returns what the spec of a supervisor says, or nil if it does not run.
func (f *fold) ask(path string) *shape {
	sup := f.root
	if path != f.root.Path() {
		nested, ok := f.root.Nested(path)
		if !ok {
			return nil
		}
		sup = nested
	}
	spec := sup.Spec()
	s := &shape{independent: spec.Strategy == strategy.Independent}
	if !s.independent {
		s.declared = make(map[string]bool, len(spec.Children))
		for i := range spec.Children {
			s.declared[spec.Children[i].Name] = true
		}
	}
	return s
}

// declares reports whether the spec has a child that gets series without being asked for. A
// nil shape has none.
func (s *shape) declares(name string) bool {
	return s != nil && !s.independent && s.declared[name]
}

// nearest returns the path of the supervisor with series under which a path is counted. It
// gives none to any.
func (f *fold) nearest(path string) string {
	for {
		path = parentOf(path)
		if path == "" || f.supervisors[path] {
			return cmp.Or(path, f.root.Path())
		}
	}
}

// lasting returns the supervisor itself, or the nearest one above it, whose series may last
// for ever because the program declares it. The SDK never forgets a series of a histogram.
func (f *fold) lasting(sup string) string {
	for at := sup; at != ""; at = parentOf(at) {
		if f.added[at] {
			sup = parentOf(at)
		}
	}
	return sup
}

// parentOf returns the path of the supervisor of a child.
func parentOf(path string) string { return path[:max(0, strings.LastIndexByte(path, '/'))] }

// free takes the series from children that are gone for good, and from everything below
// them: the collection has not seen them, it has seen their supervisor, and no spec
// declares them. It returns their paths.
func (f *fold) free(seen map[string]bool) (gone []string) {
	clear(f.shapes)
	dropped := make(map[string]bool)
	for path := range f.children {
		sup := parentOf(path)
		if !seen[path] && (sup == f.root.Path() || seen[sup]) && !f.shape(sup).declares(path[len(sup)+1:]) {
			dropped[path] = true
		}
	}
	if len(dropped) == 0 {
		return nil
	}
	for path := range f.children {
		for at := path; at != ""; at = parentOf(at) {
			if dropped[at] {
				gone = append(gone, path)
				break
			}
		}
	}
	for _, path := range gone {
		f.room += seriesOfChild
		delete(f.children, path)
		delete(f.added, path)
		f.gates.free(path, f)
		f.jobs.free(path, f)
		if f.supervisors[path] {
			f.room += seriesOfSupervisor
			delete(f.supervisors, path)
		}
	}
	return gone
}

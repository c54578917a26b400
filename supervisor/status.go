package supervisor

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// Counts corresponds to OTP's count_children.
type Counts struct {
	Specs       int // all children, running or not
	Active      int // children whose Run has been called and has not returned
	Supervisors int // children in which a supervisor runs or last ran
	Workers     int // all other children
}

// Count returns the number of children. It takes constant time. Before the first start
// all counts are zero. After the supervisor has ended, they count the children that are
// left stopped.
func (s *Supervisor) Count() Counts {
	l := s.latest()
	if l == nil {
		return Counts{}
	}
	l.lock()
	defer l.mu.Unlock()
	specs, supers := l.m.Specs(), l.m.Supervisors()
	return Counts{Specs: specs, Active: l.m.Live(), Supervisors: supers, Workers: specs - supers}
}

// Children returns the children in start order. If states are given, it returns only
// children in one of them. It answers at once, also in the middle of a group restart.
// Before the first start it returns none; after the supervisor has ended it returns the
// children that are left.
func (s *Supervisor) Children(in ...child.State) []child.Status {
	if s.latest() == nil {
		return nil
	}
	return s.AppendChildren([]child.Status{}, 0, in...)
}

// Lookup returns the child at path, which is a name, a path from this supervisor, or a
// full path. It reports false if there is no such child or the supervisor is not running.
func (s *Supervisor) Lookup(path string) (child.Status, bool) {
	l, name, err := s.resolve(path)
	if err != nil {
		return child.Status{}, false
	}
	l.lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	if c == nil {
		return child.Status{}, false
	}
	return l.status(c), true
}

// status describes a child. l.mu must be held.
func (l *life) status(c *machine.Child) child.Status {
	st := child.Status{Path: l.pathOf(c)}
	describe(c, &st)
	l.look().finish(&st)
	return st
}

// nextStart describes when a waiting child is started.
func nextStart(in time.Duration) string {
	const century = 100 * 365 * 24 * time.Hour
	if in > century {
		return "next start: never"
	}
	return fmt.Sprint("next start in ", max(in, 0).Round(time.Millisecond))
}

// AppendChildren appends the result of Children to buf, at most limit children (all of
// them if limit <= 0), and returns the extended slice. Use it for polling: it does not
// allocate if buf has capacity and its spare capacity still holds the previous result for
// the same arguments, whose path strings are reused.
//
//	buf = sup.AppendChildren(buf[:0], 100, child.Running, child.Waiting)
func (s *Supervisor) AppendChildren(buf []child.Status, limit int, in ...child.State) []child.Status {
	l := s.latest()
	if l == nil {
		return buf
	}
	if limit <= 0 {
		limit = math.MaxInt
	}
	before := len(buf)
	for n := l.count(limit, in); ; {
		if have := cap(buf) - before; n > have {
			buf = slices.Grow(buf, n)
			touch(buf[before+have : cap(buf)])
		}
		room := buf[before:cap(buf)]
		var k look
		if n, k = l.fill(room, limit, in); n <= len(room) {
			l.finish(room[:n], k)
			return buf[:before+n]
		}
		n += n / 8 // children may be added meanwhile
	}
}

// count returns how many children are in one of the states, at most limit.
func (l *life) count(limit int, in []child.State) (n int) {
	l.lock()
	defer l.mu.Unlock()
	if len(in) == 0 {
		return min(l.m.Specs(), limit)
	}
	for c := l.m.First(); c != nil && n < limit; c = c.Next() {
		if slices.Contains(in, c.State()) {
			n++
		}
	}
	return n
}

// fill describes the children in one of the states, at most limit and as many as fit into
// room. It leaves the paths alone. It returns how many there are.
func (l *life) fill(room []child.Status, limit int, in []child.State) (n int, k look) {
	l.lock()
	defer l.mu.Unlock()
	k = l.look()
	for c := l.m.First(); c != nil && n < limit; c = c.Next() {
		if len(in) > 0 && !slices.Contains(in, c.State()) {
			continue
		}
		if n < len(room) {
			describe(c, &room[n])
		}
		n++
	}
	return n, k
}

// finish fills in the times and the paths. It keeps a path that is already right.
func (l *life) finish(all []child.Status, k look) {
	made := paths{base: l.path}
	for i := range all {
		st := &all[i]
		if k.finish(st); !l.isPathOf(st.Name, st.Path) {
			st.Path = made.of(st.Name)
		}
	}
}

// isPathOf reports whether path is the path of the child with that name.
func (l *life) isPathOf(name, path string) bool {
	at := len(l.path)
	return len(path) == at+1+len(name) && path[at] == '/' && path[at+1:] == name && path[:at] == l.path
}

package supervisor

import (
	"math"
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// AppendChildren appends to buf what Children returns, at most limit children,
// all if limit is zero or less, and returns the longer slice. For whoever asks
// often: it allocates nothing if buf has room and what stands in the room is the
// result of the same question before, since the paths in it are used again.
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
		n += n / 8 // more may be added meanwhile
	}
}

// count returns how many children are in one of the states, but no more than limit.
func (l *life) count(limit int, in []child.State) (n int) {
	l.mu.Lock()
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

// fill describes the children in one of the states, but no more than limit, and as
// many as fit into room. The paths are not touched. It returns how many there are.
func (l *life) fill(room []child.Status, limit int, in []child.State) (n int, k look) {
	l.mu.Lock()
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

// finish makes the times and the paths. A path that is right already stays.
func (l *life) finish(all []child.Status, k look) {
	made := paths{base: l.path}
	for i := range all {
		st := &all[i]
		if k.finish(st); !l.isPathOf(st.Name, st.Path) {
			st.Path = made.of(st.Name)
		}
	}
}

// isPathOf reports whether path is that of the child of that name.
func (l *life) isPathOf(name, path string) bool {
	at := len(l.path)
	return len(path) == at+1+len(name) && path[at] == '/' && path[at+1:] == name && path[:at] == l.path
}

// pathLike returns the path of a child, and before itself if it is that.
func (l *life) pathLike(c *machine.Child, before string) string {
	if l.isPathOf(c.Name(), before) {
		return before
	}
	return l.pathOf(c)
}

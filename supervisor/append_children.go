package supervisor

import (
	"slices"
	"strings"

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
	end := len(buf) + limit
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := l.m.First(); c != nil && (limit <= 0 || len(buf) < end); c = c.Next() {
		if len(in) > 0 && !slices.Contains(in, c.State()) {
			continue
		}
		var before string
		if len(buf) < cap(buf) {
			before = buf[:len(buf)+1][len(buf)].Path
		}
		buf = append(buf, l.statusAt(c, l.pathLike(c, before)))
	}
	return buf
}

// pathLike returns the path of a child, and before itself if it is that.
func (l *life) pathLike(c *machine.Child, before string) string {
	if name, below := strings.CutPrefix(before, l.path); below && len(name) > 0 && name[0] == '/' && name[1:] == c.Name() {
		return before
	}
	return l.pathOf(c)
}

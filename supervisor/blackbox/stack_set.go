package blackbox

import (
	"hash/maphash"

	"github.com/coppice-go/coppice/supervisor"
)

// A stackSet remembers which stacks have been recorded, so that a child that panics again
// and again does not displace everything else. The same kind of event with the same path
// and error has its stack once in as many bytes as a file has.
type stackSet struct {
	seen  map[uint64]struct{}
	bytes int // that were recorded since seen was empty
}

var stackSeed = maphash.MakeSeed()

const maxStacks = 4096

// add adds the stack of an event. It reports false if the set has it.
func (s *stackSet) add(e *supervisor.Event, err string) bool {
	var h maphash.Hash
	h.SetSeed(stackSeed)
	_ = h.WriteByte(byte(e.Kind))
	_, _ = h.WriteString(e.Path)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(err)
	if s.seen == nil || len(s.seen) == maxStacks {
		s.seen = make(map[uint64]struct{})
	}
	sum := h.Sum64()
	_, has := s.seen[sum]
	s.seen[sum] = struct{}{}
	return !has
}

// age empties the set when as many bytes as a file has were recorded.
func (s *stackSet) age(bytes, file int) {
	if s.bytes += bytes; s.bytes > file {
		*s = stackSet{}
	}
}

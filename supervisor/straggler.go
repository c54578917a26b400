package supervisor

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A tree is what all supervisors of one tree share, for one life of its root.
// Its lock is taken inside that of a life.
type tree struct {
	mu   sync.Mutex
	seq  uint64    // of the latest event
	told time.Time // when that was
	left []*run    // abandoned runs that have not returned, the first to be abandoned first
	logs []*logger // of nested supervisors that have ended, with lines still to be written
}

// abandon notes that the run is left behind. A child that is stopped at once was
// never waited for, so it is not held against anybody. Under the lock of its life.
func (r *run) abandon() {
	l := r.life
	left := &Straggler{Path: r.Path(), After: l.m.Now() - r.stopped}
	r.get().straggler = left
	if r.child.Spec.StopTimeout == child.AtOnce {
		return
	}
	left.Stack = stackOf(r, l.dump)
	t := l.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = append(t.left, r) // last: other lives look at what is in it
}

// returned takes back that r was left behind.
func (t *tree) returned(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.left, r); i >= 0 {
		t.left = slices.Delete(t.left, i, i+1)
	}
}

// stopErr returns a *StopError of the runs at path and below that were left
// behind, or nil.
func (t *tree) stopErr(path string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var left []Straggler
	for _, r := range t.left {
		s := r.few.straggler
		if s.Path == path || strings.HasPrefix(s.Path, path+"/") {
			left = append(left, *s)
		}
	}
	if left == nil {
		return nil
	}
	return &StopError{Left: left}
}

// stopErr returns a *StopError of the runs of this supervisor, and of those
// below, that were left behind, or nil.
func (l *life) stopErr() error { return l.tree.stopErr(l.path) }

// maxDump bounds the text of all stacks: enough for tens of thousands of
// goroutines. Of what lies beyond, no stack is reported.
const maxDump = 64 << 20

// allStacks returns the stacks of all goroutines. It stops the world for a
// moment, so it is asked for only when somebody is about to be left behind.
func allStacks() []byte {
	for size := 1 << 16; ; size *= 4 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return buf[:n]
		}
		if size >= maxDump {
			return buf
		}
	}
}

// beforeAbandoning returns the stacks for who is about to abandon runs. One whose end
// has been posted is not to be blamed, so those are brought first.
func (l *life) beforeAbandoning() []byte {
	dump := allStacks()
	l.bringEnds()
	return dump
}

// stackOf finds the stack of a run's goroutine among all. There is no name for a
// goroutine that costs nothing while all is well, but the traceback prints the
// first argument of run.once and run.judge.
func stackOf(r *run, dump []byte) []byte {
	mark := fmt.Appendf(nil, "{%p, ", r)
	for _, stack := range bytes.Split(dump, []byte("\n\n")) {
		for _, name := range [...]string{"once", "judge"} {
			_, call, _ := bytes.Cut(stack, []byte("supervisor.(*run)."+name+"("))
			if args, _, _ := bytes.Cut(call, []byte("\n")); bytes.Contains(args, mark) {
				return bytes.Clone(stack)
			}
		}
	}
	return nil
}

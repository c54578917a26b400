package periodic

import (
	"strings"
	"sync"

	"github.com/coppice-go/coppice/supervisor"
)

// trees are the jobs that run, by the roots of their trees.
var trees = struct {
	mu sync.Mutex
	of map[*supervisor.Supervisor]map[*run]struct{}
}{of: make(map[*supervisor.Supervisor]map[*run]struct{})}

// enlist adds a run to those of its tree, until the returned function is called.
func enlist(r *run) (end func()) {
	sup, ok := supervisor.FromContext(r.ctx)
	if !ok {
		return func() {}
	}
	root := sup.Root()
	trees.mu.Lock()
	defer trees.mu.Unlock()
	if trees.of[root] == nil {
		trees.of[root] = make(map[*run]struct{})
	}
	trees.of[root][r] = struct{}{}
	return func() {
		trees.mu.Lock()
		defer trees.mu.Unlock()
		if delete(trees.of[root], r); len(trees.of[root]) == 0 {
			delete(trees.of, root)
		}
	}
}

// Running returns the jobs that run at or below a supervisor, by the paths of their children.
// It needs no registration: a job is there from when Run is called until Run has returned. A
// job whose child is stopped, or waits for its restart, is not there. The map is the
// caller's. It is empty for nil.
//
// Metrics and pages find the jobs of a tree by it. For the time of the last success see
// State.LastSuccess.
func Running(sup *supervisor.Supervisor) map[string]*Job {
	found := make(map[string]*Job)
	if sup == nil {
		return found
	}
	root, below := sup.Root(), sup.Path()+"/"
	trees.mu.Lock()
	runs := make([]*run, 0, len(trees.of[root]))
	for r := range trees.of[root] {
		runs = append(runs, r)
	}
	trees.mu.Unlock()
	for _, r := range runs {
		at := r.ctx.Path()
		if !strings.HasPrefix(at, below) {
			continue
		}
		if found[at] == nil || r.ctx.Err() == nil { // not an abandoned run, if there is another
			found[at] = r.job
		}
	}
	return found
}

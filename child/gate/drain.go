package gate

import (
	"errors"
	"strings"
	"sync"

	"github.com/coppice-go/coppice/supervisor"
)

// A member that is about to stop must not win: its process would lead for a moment only. It
// stops bidding when the root drains, or a supervisor further up begins to stop. All members
// of a tree share a subscription, so that a thousand of them cost no more than one. Running
// reads the same table.
var trees = struct {
	mu sync.Mutex
	of map[*supervisor.Supervisor]*treeWatch // by root
}{of: make(map[*supervisor.Supervisor]*treeWatch)}

// A treeWatch is the subscription of one root. Its fields are guarded by trees.mu.
type treeWatch struct {
	cancel  func()
	below   map[string]map[*member]struct{} // by the path of each supervisor above them
	members int
	all     bool // the root drains
}

// watchDrain notifies the member of a drain, until the returned function is called.
func (m *member) watchDrain() (end func()) {
	sup, ok := supervisor.FromContext(m.ctx)
	if !ok {
		return func() {}
	}
	root, above := sup.Root(), pathsAbove(m.ctx.Path())
	trees.mu.Lock()
	w := trees.of[root]
	first := w == nil
	if first {
		w = &treeWatch{below: make(map[string]map[*member]struct{})}
		w.cancel = root.Subscribe(w.see, supervisor.EventDraining, supervisor.EventClosing)
		trees.of[root] = w
	}
	w.members++
	for _, path := range above {
		if w.below[path] == nil {
			w.below[path] = make(map[*member]struct{})
		}
		w.below[path][m] = struct{}{}
	}
	trees.mu.Unlock()

	if first && errors.Is(root.Health(), supervisor.ErrDraining) { // since before the subscription
		w.tell(root.Path(), true, m)
	}
	trees.mu.Lock()
	draining := w.all
	trees.mu.Unlock()
	if draining {
		m.draining(true)
	}
	return func() { w.leave(root, m, above) }
}

// leave removes a member, and the subscription with the last one.
func (w *treeWatch) leave(root *supervisor.Supervisor, m *member, above []string) {
	trees.mu.Lock()
	for _, path := range above {
		if delete(w.below[path], m); len(w.below[path]) == 0 {
			delete(w.below, path)
		}
	}
	w.members--
	last := w.members == 0
	if last {
		delete(trees.of, root)
	}
	trees.mu.Unlock()
	if last {
		w.cancel()
	}
}

// see is the subscriber.
func (w *treeWatch) see(e supervisor.Event) { w.tell(e.Path, e.Kind == supervisor.EventDraining, nil) }

// tell notifies all members below the supervisor that drains or closes, except for one. It
// does not wait: the loop of a member does not block, and one that has ended takes no posts.
func (w *treeWatch) tell(path string, all bool, except *member) {
	trees.mu.Lock()
	w.all = w.all || all
	members := make([]*member, 0, len(w.below[path]))
	for m := range w.below[path] {
		if m != except {
			members = append(members, m)
		}
	}
	trees.mu.Unlock()
	for _, m := range members {
		m.post(func() { m.draining(all) })
	}
}

// draining lets the member not bid any more. Shards are handed over if the root drains.
// Otherwise they are stopped in their turn.
func (m *member) draining(all bool) {
	if s := m.gate.shards; s != nil {
		s.draining(all)
	}
	m.do(m.core.Draining(m.now()))
}

// pathsAbove returns the paths of the supervisors above a child: /a and /a/b for /a/b/c.
func pathsAbove(path string) (all []string) {
	for i := 1; i < len(path); i++ {
		if at := strings.IndexByte(path[i:], '/'); at >= 0 {
			i += at
			all = append(all, path[:i])
		} else {
			break
		}
	}
	return all
}

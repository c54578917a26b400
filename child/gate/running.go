package gate

import "github.com/coppice-go/coppice/supervisor"

// Running returns the gates that run at or below a supervisor, by the paths of their
// children. It needs no registration: a gate is there from when Run is called until Run has
// returned, also behind another gate. A gate whose child is stopped, or waits for its
// restart, is not there, and nor is a Shards. Of several gates in one child, one is there. The
// map is the caller's. It is empty for nil.
//
// Metrics and pages find the gates of a tree by it.
func Running(sup *supervisor.Supervisor) map[string]*Gate {
	found := make(map[string]*Gate)
	if sup == nil {
		return found
	}
	for _, m := range membersBelow(sup) { // without the lock, because a context may be of the program
		if m.gate.shards != nil {
			continue
		}
		at := m.ctx.Path()
		if found[at] == nil || m.ctx.Err() == nil { // not an abandoned run, if there is another
			found[at] = m.gate
		}
	}
	return found
}

// membersBelow returns the members below a supervisor.
func membersBelow(sup *supervisor.Supervisor) (members []*member) {
	root, path := sup.Root(), sup.Path()
	trees.mu.Lock()
	defer trees.mu.Unlock()
	if w := trees.of[root]; w != nil {
		for m := range w.below[path] {
			members = append(members, m)
		}
	}
	return members
}

// Package readiness says which children are ready: for metrics what Health of the root says,
// for children that Health does not cover, too; for probes and health services what Health
// says, with optional children apart.
package readiness

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Health is what Supervisor.Health says about a tree.
type Health struct {
	Ready    bool // it returned nil
	Draining bool // the root is draining

	named map[string]bool // paths of what is not ready
}

// Of asks a supervisor for its health. No method of an error of a child is called, because
// they are user code.
func Of(root *supervisor.Supervisor) Health {
	err := root.Health()
	h := Health{Ready: err == nil, named: make(map[string]bool)}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		if at, ok := err.(*supervisor.ChildError); ok {
			h.named[at.Path] = true
			h.Draining = h.Draining || at.Err == supervisor.ErrDraining && at.Path == root.Path()
		}
	}
	return h
}

// Child reports whether a child is ready, has completed, or declined to run. A snapshot alone
// does not show whether a child that is down was stopped or declined to run, so Health is
// asked, too. alive says that the supervisor of the child is alive, and covered that Health
// covers the child: it is declared, and so is each supervisor above it.
//
// Health leaves out a supervisor that is starting if it names one of its children, so it alone
// does not say that a child is ready.
func (h *Health) Child(st *child.Status, alive, covered bool) bool {
	switch st.State {
	case child.Running:
		return st.Unready == nil
	case child.Done:
		return alive && !st.GaveUp && !h.named[st.Path]
	case child.Stopped:
		return alive && covered && !h.named[st.Path]
	}
	return false
}

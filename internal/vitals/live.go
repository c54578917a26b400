// Package vitals has what the probes of Kubernetes and the watchdog of systemd share.
package vitals

import (
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Live returns nil unless a restart of the process would help: the root has given up, or
// has ended. A root that has not been started yet, starts, drains or stops in order is
// live, whatever its children do.
func Live(root *supervisor.Supervisor) error {
	st := root.Status()
	switch {
	case st.GaveUp && st.State == child.Stopping:
		return &supervisor.ChildError{Path: st.Path, Err: errors.New("gave up")}
	case !Ended(st):
		return nil
	case st.LastError != nil:
		return fmt.Errorf("ended: %w", st.LastError) // it begins with the path
	}
	return &supervisor.ChildError{Path: st.Path, Err: errors.New("ended")}
}

// Ended reports whether the status is that of a root that has ended. One that was never
// started has no Since.
func Ended(root child.Status) bool {
	return root.State == child.Stopped && !root.Since.IsZero()
}

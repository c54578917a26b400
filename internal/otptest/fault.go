package otptest

import (
	"slices"
	"strconv"
)

// SupFault returns OTP's name for the first fault in the flags of a supervisor or in the
// specs of its children, or an empty string.
func (n *Node) SupFault() string {
	restarts, err := strconv.Atoi(n.Intensity)
	seconds, _ := strconv.Atoi(n.Period)
	switch {
	case n.strategy() == notAValue:
		return "invalid_strategy"
	case err != nil || restarts < 0:
		return "invalid_intensity"
	case seconds <= 0:
		return "invalid_period"
	case n.auto() == notAValue:
		return "invalid_auto_shutdown"
	case n.Simple() && len(n.Children) != 1:
		return "bad_start_spec"
	}
	var ids []string
	for _, c := range n.Children {
		if fault := c.ChildFault(n.Auto); fault != "" {
			return fault
		}
		if slices.Contains(ids, c.ID) {
			return "duplicate_child_name"
		}
		ids = append(ids, c.ID)
	}
	return ""
}

// ChildFault returns OTP's name for the fault of n as a child of a supervisor with that
// auto_shutdown, or an empty string.
func (n *Node) ChildFault(auto string) string {
	ms, err := strconv.Atoi(n.Shutdown)
	switch {
	case n.restart() == notAValue:
		return "invalid_restart_type"
	case n.Significant != "true" && n.Significant != "false":
		return "invalid_significant"
	case n.Significant == "true" && (auto == "never" || n.Restart == "permanent"):
		return "bad_combination"
	case n.Type != "worker" && n.Type != "supervisor":
		return "invalid_child_type"
	case err == nil && ms < 0:
		return "invalid_shutdown"
	}
	return ""
}

// InGo reports whether a fault of that name can be expressed in Go. Coppice reports such a
// fault as a *child.SpecError.
func InGo(fault string) bool {
	switch fault {
	case "invalid_significant", "invalid_child_type", "bad_start_spec":
		return false
	}
	return fault != ""
}

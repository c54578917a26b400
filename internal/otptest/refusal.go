package otptest

import "github.com/coppice-go/coppice/child"

// Refusal returns the error with which OTP refuses a call about a child, or an empty string.
// Coppice allows more: RestartChild restarts a running child, and RemoveChild stops it first.
// So the drivers check the state first.
func Refusal(call string, sup *Node, found bool, state child.State) string {
	if call == "start_child" {
		switch {
		case !found:
			return ""
		case state.Alive():
			return "already_started"
		}
		return "already_present" // also while it is being restarted
	}
	if sup.Simple() && call != "get_childspec" {
		return "simple_one_for_one"
	}
	switch {
	case !found:
		return "not_found"
	case call != "restart_child" && call != "delete_child":
		return ""
	case state.Alive():
		return "running"
	case state == child.Waiting:
		return "restarting"
	}
	return ""
}

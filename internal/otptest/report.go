package otptest

import "github.com/coppice-go/coppice/child"

// EndIsReported reports whether OTP writes a child_terminated report when a child ends by
// itself for that reason.
func EndIsReported(r child.Restart, reason string) bool {
	return r == child.Permanent || reason == "crash" || reason == "killed"
}

// StopIsReported reports whether OTP writes a shutdown_error report when a child that must
// stop ends for that reason. OTP does so if the child did not end as ordered.
func StopIsReported(spec child.Spec, reason string) bool {
	ordered := "shutdown"
	if spec.StopTimeout == child.AtOnce {
		ordered = "killed"
	}
	switch reason {
	case ordered:
		return false
	case "normal", "shutdown", "shutdown_term":
		return spec.Restart == child.Permanent
	}
	return true
}

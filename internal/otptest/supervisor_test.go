package otptest

import "testing"

// TestOTPOnSupervisor plays the scenarios on the public supervisor, with real goroutines and
// the time of a bubble. It skips those that suspend a supervisor while events queue up: OTP
// has a call for that, and Coppice's supervisor has no queue.
func TestOTPOnSupervisor(t *testing.T) {
	replay(t, []string{"batch", "truncation", "quirk"}, func(t *testing.T, s *Scenario) (trace *Trace, err error) {
		err = inBubble(t, func() {
			tree := newRealTree(s)
			defer tree.end()
			trace = Play(s, tree)
		})
		return trace, err
	})
}

package otptest

import "testing"

// TestOTPOnMachine plays all scenarios on internal/machine alone.
func TestOTPOnMachine(t *testing.T) {
	replay(t, []string{"truncation", "quirk"}, func(_ *testing.T, s *Scenario) (trace *Trace, err error) {
		err = caught(func() { trace = Play(s, newTree(s)) })
		return trace, err
	})
}

package otptest

import "testing"

func TestOTPDifferenceIsShown(t *testing.T) {
	want := &Trace{Name: "one", Blocks: []Block{
		{"0 start", []string{"event start a"}},
		{"1 exit a crash", []string{"event stop a crash", "event start a", "result ok"}},
	}}
	if diff := Compare(want, want); diff != "" {
		t.Errorf("with itself: %s", diff)
	}
	got := &Trace{Name: "one", Blocks: []Block{
		want.Blocks[0],
		{"1 exit a crash", []string{"event stop a crash", "event stop b shutdown", "result ok"}},
	}}
	const diff = `one, step 1 exit a crash
(- OTP, + Coppice)
  event stop a crash
- event start a
+ event stop b shutdown
  result ok
`
	if d := Compare(want, got); d != diff {
		t.Errorf("got %s", d)
	}
	got.Blocks = got.Blocks[:1]
	if Compare(want, got) == "" {
		t.Error("a missing step is not seen")
	}
}

func TestOTPStopsOfSimpleChildrenAreSorted(t *testing.T) {
	s := &Scenario{Steps: []Step{
		{Words: []string{"start_dyn", "d", "x"}},
		{Words: []string{"start_dyn", "d", "y"}},
	}}
	events := s.sortStops([]string{"stop y crash", "stop x crash", "stop b shutdown", "stop a shutdown", "stop y crash", "start x"})
	want := []string{"stop x crash", "stop y crash", "stop b shutdown", "stop a shutdown", "stop y crash", "start x"}
	if !sameLines(events, want) {
		t.Errorf("got %v", events)
	}
}

package otptest

import (
	"strings"
	"testing"
)

const scenarioText = `
# A comment.
scenario one
suite -
tags batch kill
sup root - strategy=rest_for_one   # another
child a root id=x start=ok,error
child b @
step batch root
step exit a crash
step which root
endstep
end
`

func TestOTPScenarioIsParsed(t *testing.T) {
	all, err := ParseScenarios(strings.Replace(scenarioText, "endstep", "step endbatch", 1))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	s := all[0]
	if s.Name != "one" || !s.Tagged("kill", "other") || s.Tagged("other") {
		t.Errorf("head: %+v", s)
	}
	root, a := s.Root(), s.Node("a")
	if !root.Sup || root.Strategy != "rest_for_one" || root.Intensity != "1" || len(root.Children) != 1 {
		t.Errorf("root: %+v", root)
	}
	if a.ID != "x" || a.Restart != "permanent" || len(a.Start) != 2 || root.Children[0] != a {
		t.Errorf("a: %+v", a)
	}
	if got, want := s.Steps[0].String(), "batch root ; exit a crash ; which root"; len(s.Steps) != 1 || got != want {
		t.Errorf("step %q, want %q", got, want)
	}
}

func TestOTPFaultyScenarioIsRefused(t *testing.T) {
	for _, text := range []string{
		scenarioText, // endstep is not a keyword
		"sup root -",
		"scenario a\nend",
		"scenario a\nsup root -",
		"scenario a\nsup root - colour=red\nend",
		"scenario a\nsup root -\nchild b c\nend",
		"scenario a\nsup root -\nstep batch root\nend",
	} {
		if _, err := ParseScenarios(text); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func TestOTPTraceIsReadAndWritten(t *testing.T) {
	const text = "== one\n-- 0 start\nevent start a\nresult ok\nroot up\n-- 1 stop\nroot down shutdown\nend\n"
	all, err := ParseTraces(text)
	if err != nil || len(all) != 1 || len(all[0].Blocks) != 2 {
		t.Fatal(all, err)
	}
	if got := all[0].String(); got != text {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"event a", "== one\nevent a\nend", "== one\n-- 0 start"} {
		if _, err := ParseTraces(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

package machine

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A plantedFault breaks one rule of the machine. The exploring tests must find each of
// them, which shows what they can detect.
type plantedFault struct {
	rule      string
	file      string
	text, bad string
}

var plantedFaults = []plantedFault{
	{"events of an older run are dropped", "exit.go", "c.run != run || !c.alive()", "!c.alive()"},
	{"only a run that is starting becomes ready", "exit.go", "c.run == run && c.state == child.Starting", "c.state == child.Starting"},
	{"a timer that was cleared is dropped", "restart.go", "if c.run != run || c.armed != t {", "if c.run != run {"},
	{"the end of a child that must stop is no failure", "exit.go", "was == child.Stopping || c.marked || m.phase == Closing", "was == child.Stopping || m.phase == Closing"},
	{"while closing nothing fails any more", "exit.go", "was == child.Stopping || c.marked || m.phase == Closing", "was == child.Stopping || c.marked"},
	{"callers that wait for a stop are answered", "exit.go", "\tm.answerWaiters(c, false, answer)\n", "\t_ = answer\n"},
	{"callers that wait for a start are answered when the child retires", "exit.go", "\tm.answerWaiters(c, true, err)\n\tm.bootSettled(c)", "\tm.bootSettled(c)"},
	{"callers that wait for a start are answered when the child is ready", "exit.go", "\t\tm.answerWaiters(c, true, nil)\n\t\tm.bootSettled(c)", "\t\tm.bootSettled(c)"},
	{"a retired child has no mark", "exit.go", "c.marked, c.held, c.leftStopped, c.charged = false, false, false, false", "c.held, c.leftStopped, c.charged = false, false, false"},
	{"a retry clears the child that the group waits for", "restart.go", "\tm.waitsFor = nil\n\tm.markGroup(c)\n}\n\n// Timer", "\tm.markGroup(c)\n}\n\n// Timer"},
	{"a failed attempt is charged when its retry is due", "restart.go", "if !c.charged && !m.charge(c) {", "if false {"},
	{"a crash is charged", "restart.go", "\tcase !m.charge(c):\n\t\treturn SupervisorGivesUp\n", ""},
	{"a supervisor that gives up ends", "close.go", "\tm.close(End{Kind: kind, Child: c, Err: err})", "\t_ = End{Kind: kind, Child: c, Err: err}"},
	{"a backoff is asked once at a time", "restart.go", "if !c.backoffAsked {", "if true {"},
	{"an abandoned stop abandons the run", "restart.go", "\tm.emit(Abandon, c)\n\tm.informWaiters(c)\n", ""},
	{"a temporary child that does not run is removed with its group", "group.go", "!x.alive() && x.Spec.Restart == child.Temporary", "false"},
	{"a declared child is not removed before its first start", "group.go", "return c.bootPending || c.startAwaited()", "return c.startAwaited()"},
	{"a child whose start was requested is not removed", "group.go", "return c.bootPending || c.startAwaited()", "return c.bootPending"},
	{"a requested restart that fails keeps the child", "exit.go", "if c.origin == originManual && m.ordered() {", "if false {"},
	{"a group stops before it starts", "group.go", "\tm.op, m.cursor = opStopping, m.last\n", "\tm.op, m.cursor = opStarting, from\n"},
	{"a group stops in reverse order", "group.go", "\tm.op, m.cursor = opStopping, m.last\n", "\tm.op, m.cursor = opStopping, m.last\n\tfor x := from; x != nil; x = x.next {\n\t\tif x.alive() && x.state != child.Stopping {\n\t\t\tm.cancel(x, WhySibling)\n\t\t}\n\t}\n"},
	{"a group waits for each child that stops", "group.go", "\t\t\tif c.alive() {\n\t\t\t\treturn\n\t\t\t}\n", ""},
	{"a group waits for each child that starts", "group.go", "c.state == child.Starting || c.state == child.Stopping {", "c.state == child.Stopping {"},
	{"a group starts from its first mark", "group.go", "m.firstMarked == nil || from.seq < m.firstMarked.seq", "m.firstMarked == nil"},
	{"a group operation that is stuck leaves no marks", "group.go", "\t\tx.marked = false\n", ""},
	{"a requested start waits for the group operation", "restart.go", "m.op == opStarting && m.cursor != nil && c.seq > m.cursor.seq:", "m.op == opStarting && m.cursor != nil && false:"},
	{"closing answers callers that wait for a start", "close.go", "\t\t\tm.answerWaiters(c, true, ErrNotRunning)\n", ""},
	{"closing stops waiting children", "close.go", "\t\tif c.state == child.Waiting {\n\t\t\tm.setState(c, child.Stopped)", "\t\tif false {\n\t\t\tm.setState(c, child.Stopped)"},
	{"the group operation steps past a removed child", "child.go", "\t\t\tm.cursor = c.next\n", "\t\t\tm.cursor = nil\n"},
	{"independent children continue with the next batch", "independent.go", "\t\t\tm.askContinue()\n", ""},
	{"all independent children are stopped", "independent.go", "\t\tm.cursor = c.next // a stop that does not wait may remove c\n", "\t\tif m.cursor = c.next; m.op == opStopping {\n\t\t\tm.cursor = nil\n\t\t}\n"},
	{"a sweep continues with the next batch", "sweep.go", "\t\t\tm.askContinue()\n", ""},
	{"independent children do not start while suspended", "independent.go", " || m.op == opStarting && m.suspended", ""},
	{"an upgrade of independent children begins with the first", "upgrade.go", "\t\tm.cursor = m.first\n", ""},
	{"callers that wait for something else keep waiting", "waiter.go", "\t\t\tc.addWaiter(w, w.start)\n", ""},
	{"a removed name is free", "child.go", "\t\tdelete(m.names, c.Name())\n", ""},
	{"the count of alive children is right", "child.go", "\tm.live += count(c.alive())\n", "\tm.live += count(c.state == child.Running)\n"},
	{"a timer is cleared with its state", "child.go", "\tm.disarm(c)\n\tm.live -=", "\tm.live -="},
	{"suspended means no starts", "restart.go", "\tif m.suspended {\n\t\tm.holdStart(c)\n\t\treturn\n\t}\n", "\tif m.suspended {\n\t\treturn\n\t}\n"},
	{"Resume starts the children that are held", "request.go", "\tif !c.held {\n\t\treturn\n\t}\n", "\treturn\n"},
	{"a stop cancels a restart", "request.go", "\tcase child.Stopping:\n\t\tc.afterStop, c.marked = to, false\n", "\tcase child.Stopping:\n\t\tc.marked = false\n"},
	{"a stop that takes long is abandoned", "restart.go", "\t\tcase !c.Nested:\n\t\t\tm.abandon(c)", "\t\tcase !c.Nested:\n"},
	{"a nested supervisor is not abandoned", "restart.go", "\t\tcase !c.Nested:\n\t\t\tm.abandon(c)", "\t\tcase !c.Nested || c.cancelAllSent:\n\t\t\tm.abandon(c)"},
	{"a replacement is used from the next start on", "replace.go", "\tm.setSpec(c, t.spec)\n", ""},
	{"a replacement that fails brings the old spec back", "replace.go", "\tm.setSpec(c, t.old)\n\tc.origin", "\tc.origin"},
	{"a replacement that fails starts the old spec", "replace.go", "\tm.publishRestart(c, 0)\n\tm.restartAlone(c)\n", "\tm.publishRestart(c, 0)\n"},
	{"a replacement ends when the child is ready", "replace.go", "settle(c *Child) { delete(m.trials, c) }", "settle(c *Child) { _ = c }"},
	{"a replacement of a child that is down ends", "replace.go", "\tdelete(m.trials, c)\n\tif t.old != nil && !t.back {", "\tif t.old != nil && !t.back {"},
	{"a replacement that fails ends no supervisor", "close.go", "\tif m.givesUpTrial(c, err) {\n\t\treturn\n\t}\n", ""},
	{"a replacement that fails while the supervisor starts does not end it", "exit.go", "\tif m.startFailed(c, out) {\n\t\treturn\n\t}\n", ""},
	{"a boot waits for the backoff of the child it has reached", "restart.go", "if m.phase == Booting && m.reached(c) {\n\t\tm.waitsFor = c", "if false {\n\t\tm.waitsFor = c"},
}

// TestPlantedFaultsAreFound builds the package with each fault in turn, and requires the
// exploring tests to fail. It takes a minute or two, so it runs on demand: make faults.
func TestPlantedFaultsAreFound(t *testing.T) {
	if os.Getenv("FAULTS") == "" {
		t.Skip("runs with FAULTS=1, or make faults")
	}
	for _, f := range plantedFaults {
		t.Run(f.rule, func(t *testing.T) {
			t.Parallel()
			output, err := runWith(t, f)
			switch {
			case err == nil:
				t.Fatal("the fault was not found")
			case !strings.Contains(output, "--- FAIL"):
				t.Fatalf("the tests did not run:\n%s", output)
			}
		})
	}
}

// TestPlantedFaultsCanBePlanted is the cheap half of TestPlantedFaultsAreFound: it keeps
// the texts in step with the code.
func TestPlantedFaultsCanBePlanted(t *testing.T) {
	for _, f := range plantedFaults {
		plant(t, f)
	}
}

// plant returns the source of the fault's file with the fault in place of the correct text.
func plant(t *testing.T, f plantedFault) string {
	t.Helper()
	source, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), f.text); n != 1 {
		t.Fatalf("%s contains the text to replace %d times: %q", f.file, n, f.text)
	}
	return strings.Replace(string(source), f.text, f.bad, 1)
}

// runWith runs the exploring tests with a fault in place of the correct text.
func runWith(t *testing.T, f plantedFault) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	bad := filepath.Join(dir, f.file)
	if err := os.WriteFile(bad, []byte(plant(t, f)), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, f.file): bad}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-vet=off", "-overlay", list, "-run", "^(TestExplore|TestRandomWalks)", "-timeout", "60s", ".")
	cmd.Env = append(os.Environ(), "EXPLORE=4000", "FAULTS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

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
	{"callers that wait for a start are answered when the child is ready", "exit.go", "\t\tif isNew {\n\t\t\tm.answerWaiters(c, true, nil)\n\t\t}\n\t\tm.bootSettled(c)", "\t\t_ = isNew\n\t\tm.bootSettled(c)"},
	{"a retired child has no mark", "exit.go", "c.marked, c.held, c.leftStopped, c.charged = false, false, false, false", "c.held, c.leftStopped, c.charged = false, false, false"},
	{"a retry clears the child that the group waits for", "restart.go", "\tm.waitsFor = nil\n\tm.markGroup(c)\n}\n\n// Timer", "\tm.markGroup(c)\n}\n\n// Timer"},
	{"a failed attempt is charged when its retry is due", "restart.go", "if !c.charged && !m.charge(c) {", "if false {"},
	{"a crash is charged", "restart.go", "\tcase !m.charge(c):\n\t\treturn SupervisorGivesUp\n", ""},
	{"a supervisor that gives up ends", "close.go", "\tm.close(End{Kind: kind, Child: c, Err: err})", "\t_ = End{Kind: kind, Child: c, Err: err}"},
	{"a backoff is asked once at a time", "restart.go", "if !c.backoffAsked {", "if true {"},
	{"an abandoned stop abandons the run", "restart.go", "\tm.emit(Abandon, c)\n\tm.informWaiters(c)\n", ""},
	{"a temporary child that does not run is removed with its group", "group.go", "!x.alive() && x.temporary()", "false"},
	{"a declared child is not removed before its first start", "group.go", "return c.bootPending || c.startAwaited()", "return c.startAwaited()"},
	{"a child whose start was requested is not removed", "group.go", "return c.bootPending || c.startAwaited()", "return c.bootPending"},
	{"a requested restart that fails keeps the child", "exit.go", "if c.origin == originManual && !m.forgets() {", "if false {"},
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
	{"a nested supervisor is not abandoned", "restart.go", "\t\tcase !c.Nested:\n\t\t\tm.abandon(c)", "\t\tcase !c.Nested || c.sent&cancelAllSent != 0:\n\t\t\tm.abandon(c)"},
	{"a replacement is used from the next start on", "replace.go", "\tm.setSpec(c, t.spec)\n", ""},
	{"a replacement that fails brings the old spec back", "replace.go", "\tm.setSpec(c, t.old)\n\tc.origin", "\tc.origin"},
	{"a replacement that fails starts the old spec", "replace.go", "\t}\n\tm.restartAlone(c)\n", "\t}\n"},
	{"a replacement ends when the child is ready", "replace.go", "endTrial(c *Child) { delete(m.trials, c) }", "endTrial(c *Child) { _ = c }"},
	{"a replacement of a child that is down ends", "replace.go", "\tdelete(m.trials, c)\n\tif t.old != nil && !t.back {", "\tif t.old != nil && !t.back {"},
	{"a replacement that fails ends no supervisor", "close.go", "\tif m.givesUpTrial(c, err) {\n\t\treturn\n\t}\n", ""},
	{"a replacement that fails while the supervisor starts does not end it", "exit.go", "\tif m.startFailed(c, out) {\n\t\treturn\n\t}\n", ""},
	{"a replaced child that a caller restarts is not down again", "replace.go", "\t\tt.down = false\n", "\t\t_ = t\n"},
	{"a boot waits for the backoff of the child it has reached", "restart.go", "if m.phase == Booting && m.reached(c) {\n\t\tm.waitsFor = c", "if false {\n\t\tm.waitsFor = c"},
	{"graph: a replacement that fails starts the old spec", "replace.go", "\t\tm.take(c)\n\t\treturn\n", "\t\treturn\n"},
	{"graph: a replacement that is taken back starts the old spec", "replace.go", "\tc.afterStop = afterStopStart\n\tm.claim(c, c)\n", "\tc.afterStop = afterStopStart\n"},
	{"graph: those that need a child that is down again stay down", "replace.go", "\t\tm.sink(c, &needError{c.Name(), err})\n", ""},
	{"graph: what was down before its replacement is down again", "exit.go", "\tcase len(m.trials) > 0 && m.isDownAgain(c):\n", "\tcase false:\n"},
	{"graph: a child that is ready with its old spec is not replaced yet", "replace.go", "(c.marked || m.mustStop(c)) {", "c.node == 0 && c.marked {"},
	{"graph: a replaced child has its new edges", "relink.go", "\tif m.connect(c); c.node == 0 {", "\tif c.node == 0 {"},
	{"graph: a replaced child has no longer its old edges", "relink.go", "\t\tm.removeEdges(c.node)\n", ""},
	{"graph: a child stops when all that need it are down", "graph.go", "case c == nil || n.busy > 0:", "case c == nil:"},
	{"graph: a child stops when what comes after it and stops too is down", "graph.go", " && n.behind == 0", ""},
	{"graph: a child starts when all that it needs are ready", "graph.go", "!m.suspended && n.unmet == 0 && n.before == 0", "!m.suspended && n.before == 0"},
	{"graph: a child waits for the start of what it comes after", "graph.go", "n.unmet == 0 && n.before == 0", "n.unmet == 0"},
	{"graph: nothing starts while suspended", "graph.go", "case c.marked && !m.suspended && ", "case c.marked && "},
	{"graph: closing stops all children", "graph.go", "if (n.going || m.phase == Closing) && c.state", "if n.going && c.state"},
	{"graph: a child asks its backoff", "graph.go", "\tcase n.leads:\n", "\tcase false:\n"},
	{"graph: the delay of a backoff follows once the group is down", "graph.go", "\t\tm.nodeOf(c).leads = true\n\t\tm.touch(c)\n", "\t\tc.marked = false\n\t\tm.touch(c)\n\t\tm.awaitRetry(c)\n"},
	{"graph: a failure takes those that need the child", "spread.go", "\t\t\tm.claim(n.c, with)\n\t\t\tg.walk = append(g.walk, from)\n", ""},
	{"graph: a failure takes those that need the child through others", "spread.go", "\t\t\tg.walk = append(g.walk, from)\n", ""},
	{"graph: what is done is not started again above a child that was stopped", "spread.go", "down && n.cut > 0:", "down && n.cut < 0:"},
	{"graph: what was stopped by request stays stopped", "spread.go", "case n.c.marked, m.isStopped(n), down", "case n.c.marked, down"},
	{"graph: a child starts with the one that it needs, not after its own backoff", "spread.go", "case n.c.marked && n.leads:", "case false:"},
	{"graph: a start takes what the child needs", "spread.go", "\tif g.nodes[i].cut == 0 {\n", "\tif true {\n"},
	{"graph: a start takes what the child needs through others", "spread.go", "\t\t\tg.below = append(g.below, to)\n\t\t\tif m.isStopped(n) {", "\t\t\tif m.isStopped(n) {"},
	{"graph: a stop stops those that need the child", "graph.go", "\tm.sink(c, &needError{c.Name(), child.ErrStopped})\n\tn := m.nodeOf(c)\n", "\tn := m.nodeOf(c)\n"},
	{"graph: a stop stops those that need the child through others", "spread.go", "\t\t\tg.walk = append(g.walk, i)\n", ""},
	{"graph: those that stop with a child stay down", "spread.go", "\t\tc.marked = false\n\t\tn.sunk = true\n", "\t\tn.sunk = true\n"},
	{"graph: those that stop with a child are asked", "spread.go", "\t\tn.sunk = true\n\t\tm.mustGo(c, WhySibling)\n", "\t\tn.sunk = true\n"},
	{"graph: a stop cancels a restart that was requested", "spread.go", "\t\tif c.afterStop != afterStopRemove {\n", "\t\tif false {\n"},
	{"graph: those that wait for a child that was stopped do not start", "spread.go", "\tdefault: // it waits for its start\n", "\tcase c.state == child.Waiting:\n\tdefault: // it waits for its start\n"},
	{"graph: a mark ends with the run", "graph.go", "\tn.going = n.going && c.alive()\n", ""},
	{"graph: a child that is needed is not removed", "needs.go", "if user := g.nodes[g.edges[e].from].c; !user.Removing() {", "if user := g.nodes[g.edges[e].from].c; false {"},
	{"graph: no child is added that needs one that is being removed", "needs.go", "\t\tcase c.Removing():\n", "\t\tcase false:\n"},
	{"graph: no child is added that needs a temporary one", "needs.go", "\t\tcase c.temporary():\n", "\t\tcase false:\n"},
	{"graph: after an upgrade a child whose start was held starts", "edges.go", "\t\tc.marked = c.marked || c.held\n", ""},
	{"graph: after an upgrade those that need a child that is being stopped stop too", "relink.go", "\tm.sinkWalk(child.ErrStopped)\n\tfor c := m.first", "\tg.walk = g.walk[:0]\n\tfor c := m.first"},
	{"graph: after an upgrade the marks spread", "relink.go", "\t\tif c.node != 0 && c.marked {\n", "\t\tif false {\n"},
	{"graph: after an upgrade the marks are those of before", "relink.go", "n.going, n.leads, n.sunk, n.with, n.why = was.going, was.leads", "n.going, n.leads, n.sunk, n.with, n.why = false, was.leads"},
	{"graph: a batch is followed by the next", "graph.go", "\t\t\tg.asked = true\n\t\t\tm.askContinue()\n", "\t\t\tg.asked = true\n"},
	{"graph: the next batch begins where the last one ended", "independent.go", "\t\tm.graph.asked = false\n", ""},
	{"graph: what must start is not ready for others", "edges.go", "set(met, !c.marked && (", "set(met, ("},
	{"graph: what is done is ready for others", "edges.go", "(c.state == child.Done || c.declined()) && n.unmet == 0", "c.declined() && n.unmet == 0"},
	{"graph: what is done is ready for others only with what it needs", "edges.go", "(c.state == child.Done || c.declined()) && n.unmet == 0", "(c.state == child.Done || c.declined())"},
	{"graph: a child is busy through those that are down", "edges.go", "set(holds, c.alive() || n.busy > 0)", "set(holds, c.alive())"},
	{"graph: a child is cut off through others", "edges.go", "set(rests, m.isStopped(n) || n.cut > 0)", "set(rests, m.isStopped(n))"},
	{"graph: at the start of a supervisor a child waits for what it comes after", "edges.go", "set(starts, c.bootPending || ", "set(starts, "},
	{"graph: a child does not wait for the backoff of what it comes after", "edges.go", "c.marked && n.unmet == 0 && !n.leads)", "c.marked)"},
	{"graph: what is closing stops before what it comes after", "edges.go", "(n.going || m.phase == Closing))", "n.going)"},
	{"graph: changes of neighbours are accounted for", "edges.go", "by != 0 && (was == 0 || *counter == 0)", "by != 0 && was == 0"},
	{"graph: an edge in the middle of a list is removed", "edges.go", "\t\tg.edges[e.nextTo].previous = e.previous\n", ""},
	{"graph: a name that others come after is remembered", "edges.go", "\tif i := g.absent[c.Name()]; i != 0 {\n", "\tif i := uint32(0); i != 0 {\n"},
	{"graph: the end of a child that must stop is no failure", "exit.go", " || m.mustStop(c):", ":"},
	{"graph: a temporary child that is restarted by request stays", "exit.go", " && (c.node == 0 || after != afterStopStart):", ":"},
	{"graph: what needs a child that a caller could not start does not wait", "exit.go", "\t\t\tm.sink(c, &needError{c.Name(), out.Err})\n", ""},
	{"graph: an alarm does not change what follows a stop", "restart.go", "if c.hung = true; !m.mustStop(c) {", "if c.hung = true; true {"},
	{"graph: a requested start takes what it needs", "restart.go", "\tcase c.node != 0:\n\t\tm.take(c)\n", "\tcase c.node != 0:\n\t\tm.claim(c, c)\n"},
	{"graph: Resume starts what waits", "request.go", "\tif c.node != 0 {\n\t\tm.touch(c)\n\t\treturn\n\t}\n", "\tif c.node != 0 {\n\t\treturn\n\t}\n"},
	{"graph: a child comes after what it names", "graph.go", "e < len(c.Spec.Needs))", "true)"},
	{"graph: what is down is busy once one that needs it runs", "edges.go", "now&holds != 0 && t.told&holds != 0:", "now&holds != 0:"},
	{"what a spec says about what follows a stop is looked at", "child.go", "spec.Restart != child.Temporary && ", ""},
	{"graph: closing concerns each child", "close.go", "\t\t\tm.touch(c)\n", ""},
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
	only := []string{"-skip", "/graph|EveryGraph|WithoutEdges|OfAChain"}
	if strings.HasPrefix(f.rule, "graph: ") {
		only = []string{"-skip", "/^(one-for-|rest-for-|independent)"}
	}
	args := append([]string{"test", "-vet=off", "-overlay", list, "-run", "^(TestExplore|TestRandomWalks)", "-timeout", "60s"}, only...)
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Env = append(os.Environ(), "EXPLORE=4000", "FAULTS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

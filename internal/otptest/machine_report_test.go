package otptest

import (
	"slices"

	"github.com/coppice-go/coppice/internal/machine"
)

// report derives OTP's reports from the events of the machine.
func (l *life) report(a machine.Action) {
	p, started := a.Child.Handle.(*process)
	if !started { // an upgrade added it
		return
	}
	spec := *a.Child.Spec
	why, _ := a.Err.(reason)
	switch a.Event {
	case machine.Failed, machine.Completed:
		asked := l.serving != nil && l.serving.child == a.Child
		switch {
		case p.ready && EndIsReported(spec.Restart, string(why)):
			l.writeReport("child_terminated", a.Child, string(why))
		case !p.ready && a.Event == machine.Failed && !asked:
			l.writeReport("start_error", a.Child, "-")
		}
	case machine.Stopped:
		if a.Err == error(why) && StopIsReported(spec, string(why)) {
			l.writeReport("shutdown_error", a.Child, string(why))
		}
	case machine.Abandoned:
		if StopIsReported(spec, p.reason) {
			l.writeReport("shutdown_error", a.Child, p.reason)
		}
	case machine.GaveUp:
		l.writeReport("shutdown", a.Child, "reached_max_restart_intensity")
	}
}

func (l *life) writeReport(context string, c *machine.Child, detail string) {
	id := c.Spec.Name
	if l.node.Simple() {
		id = l.node.Template().ID
		if context == "shutdown_error" && l.machine.Phase() >= machine.Closing {
			if !slices.Contains(l.stopErrors, detail) {
				l.stopErrors = append(l.stopErrors, detail)
			}
			return
		}
	}
	l.tree.log("report %s %s %s %s", l.self.label, context, id, detail)
}

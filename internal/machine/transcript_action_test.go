package machine

import (
	"fmt"
	"strings"
	"time"
)

var eventNames = [...]string{
	Starting: "starting", Ready: "ready", Failed: "failed", Restarting: "restarting",
	Completed: "completed", Stopping: "stopping", Stopped: "stopped", Abandoned: "abandoned",
	LateExit: "late-exit", Removed: "removed", Hung: "hung", SlowStart: "slow-start", GaveUp: "gave-up",
}

var whyNames = [...]string{
	WhyStopped: "stopped", WhyRemoved: "removed", WhySibling: "sibling", WhyTimeout: "start timeout",
	WhyHung: "hung", WhyClosing: "closing",
}

var phaseNames = [...]string{"unborn", "booting", "up", "closing", "over"}

// lines returns actions as a transcript shows them. SlowTimers are omitted, because every
// start without a short timeout sets one.
func (s *player) lines(actions []Action) []string {
	var lines []string
	for _, a := range actions {
		switch {
		case a.Kind == Arm:
			s.slow[a.Child] = a.Timer == SlowTimer
			if a.Timer == SlowTimer {
				continue
			}
		case a.Kind == Disarm && s.slow[a.Child]:
			continue
		}
		lines = append(lines, lineOf(a))
	}
	return lines
}

// lineOf returns one action as a line.
func lineOf(a Action) string {
	run := ""
	if a.Child != nil {
		run = fmt.Sprintf("%s#%d", a.Child.Name(), a.Run)
	}
	switch a.Kind {
	case Launch:
		return "launch " + run
	case Cancel:
		return "cancel " + run + ", cause: " + whyNames[a.Why]
	case Arm:
		return fmt.Sprintf("arm %s: %s in %v", run, timerNames[a.Timer], a.Wait)
	case Disarm:
		return "disarm " + run
	case NextBackoff:
		if a.Reset {
			return "ask the backoff of " + a.Child.Name() + ", starting over"
		}
		return "ask the backoff of " + a.Child.Name()
	case Abandon:
		return "abandon " + run
	case CancelAll:
		return "cancel all in " + run
	case AbandonAll:
		return "abandon all in " + run
	case Report:
		return "report " + run + ": " + result(a.Err)
	case Inform:
		return fmt.Sprintf("inform %q", a.Waiter.Owner)
	case Answer:
		return fmt.Sprintf("answer %q: %s", a.Waiter.Owner, result(a.Err))
	case Publish:
		return eventLine(a)
	case Continue:
		return "continue"
	case IsUp:
		return "is up"
	case IsClosing:
		return "is closing"
	case IsOver:
		return "is over"
	}
	return fmt.Sprintf("action %d", a.Kind)
}

func result(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// eventLine returns an event as a line.
func eventLine(a Action) string {
	text := "publish " + eventNames[a.Event] + " " + a.Child.Name()
	if a.Event == LateExit {
		text += fmt.Sprintf("#%d", a.Run)
	}
	if a.Event == Restarting {
		text += " in " + a.Wait.String()
	}
	if a.Err != nil {
		text += ": " + a.Err.Error()
	}
	return text
}

// show returns the states of all children in one line.
func (s *player) show() []string {
	var all []string
	for c := s.m.First(); c != nil; c = c.Next() {
		text := fmt.Sprintf("%s#%d %v", c.Name(), c.Run(), c.State())
		if c.Failures().NextStart > 0 {
			text += " until " + c.Failures().NextStart.Round(time.Millisecond).String()
		}
		if c.Failures().Abandoned > 0 {
			text += fmt.Sprintf(" (%d abandoned)", c.Failures().Abandoned)
		}
		all = append(all, text)
	}
	return []string{phaseNames[s.m.Phase()] + ": " + strings.Join(all, ", ")}
}

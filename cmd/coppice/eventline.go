package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// kindStyles are the styles of the kinds of events that stand out.
var kindStyles = map[supervisor.EventKind]style{
	supervisor.EventFailed: bad, supervisor.EventGaveUp: bad, supervisor.EventHung: bad, supervisor.EventAbandoned: bad,
	supervisor.EventRestarting: warn, supervisor.EventUnready: warn, supervisor.EventError: warn,
	supervisor.EventSlowStart: warn, supervisor.EventLateExit: warn,
	supervisor.EventReady: good, supervisor.EventUp: good,
	supervisor.EventRequest: bold, supervisor.EventApplying: bold, supervisor.EventApplied: bold, supervisor.EventStatus: dim,
}

// eventLine formats an event: when, what, who, and why.
func eventLine(e *view.Event, now time.Time) line {
	l := line{
		{stamp(e.Time, now) + "  ", dim}, {pad(e.Kind.String(), 10) + "  ", kindStyles[e.Kind]}, {clean(e.Path), plain},
	}
	say := func(text string) { l = append(l, span{text, plain}) }
	if e.N > 1 {
		if e.Paths > 1 {
			say(" and " + count(e.Paths-1) + " more")
		}
		say(", " + counted(e.N, "time", "times"))
		if d := e.TimeTo.Sub(e.Time); d > 0 {
			say(" in " + short(d))
		}
	}
	if d, err := time.ParseDuration(e.Delay); err == nil {
		say(" in " + short(d))
	}
	switch {
	case e.Err != "":
		say(": " + clean(e.Err))
	case e.Text != "":
		say(": " + clean(e.Text))
	}
	if why := reason(e); why != "" {
		say(", " + why)
	}
	l = append(l, span{"  #" + strconv.FormatUint(e.Seq, 10), dim})
	if e.Because > 0 {
		l = append(l, span{" because of #" + strconv.FormatUint(e.Because, 10), dim})
	}
	if e.Lost > 0 {
		l = append(l, span{" (" + counted(e.Lost, "event", "events") + " before it were lost)", warn})
	}
	return l
}

// reason says why, if the kind of the event does not say it.
func reason(e *view.Event) string {
	switch e.Reason {
	case supervisor.ReasonNone, supervisor.ReasonBoot, supervisor.ReasonFailed, supervisor.ReasonCompleted:
		return ""
	}
	text := e.Reason.String()
	switch {
	case e.By == "":
		return text
	case strings.HasPrefix(e.By, "/"):
		return text + " of " + clean(e.By)
	}
	return text + " by " + clean(e.By)
}

// stamp formats the time of an event to the millisecond.
func stamp(t, now time.Time) string { return clock(t, now) + t.Local().Format(".000") }

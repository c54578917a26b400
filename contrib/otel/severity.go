package coppiceotel

import (
	"log/slog"

	"go.opentelemetry.io/otel/log"

	"github.com/coppice-go/coppice/supervisor"
)

// severity returns the severity of an event: its level. One thing differs. An
// EventRestarting with a delay is info, because the EventFailed before it does not have
// the delay yet, as the log line has.
func severity(e *supervisor.Event) log.Severity {
	if e.Kind == supervisor.EventRestarting && e.Delay > 0 {
		return log.SeverityInfo
	}
	return severityOf(e.Level())
}

// severityOf converts a level. The scale of slog was made so that this is an addition.
func severityOf(level slog.Level) log.Severity {
	return log.Severity(int(level) + int(log.SeverityInfo))
}

// mostSevere returns the highest severity that an event of the kind may have.
func mostSevere(kind supervisor.EventKind) log.Severity {
	switch kind {
	case supervisor.EventFailed, supervisor.EventAbandoned, supervisor.EventHung, supervisor.EventGaveUp:
		return log.SeverityError
	case supervisor.EventError, supervisor.EventUnready, supervisor.EventSlowStart, supervisor.EventLateExit,
		supervisor.EventCompleted, supervisor.EventStopped, supervisor.EventApplied,
		supervisor.EventUp, supervisor.EventClosing, supervisor.EventOver:
		return log.SeverityWarn
	case supervisor.EventReady, supervisor.EventRestarting, supervisor.EventDraining,
		supervisor.EventRequest, supervisor.EventSuspended, supervisor.EventResumed, supervisor.EventApplying:
		return log.SeverityInfo
	}
	return log.SeverityDebug
}

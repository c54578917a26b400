package coppiceotel

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"

	"go.opentelemetry.io/otel/log"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

const debug = log.SeverityDebug

// severity returns the severity of an event: the level in the table of
// supervisor.Spec.Logger. Two things an Event does not tell, so here they are warnings each
// time: that an EventUnready is not the first in a row, and that an EventLateExit is of a
// child with child.AtOnce. An EventRestarting with a delay is info, because the EventFailed
// before it does not have the delay yet, as the log line has.
func severity(e *supervisor.Event) log.Severity {
	switch e.Kind {
	case supervisor.EventRestarting:
		if e.Delay > 0 {
			return log.SeverityInfo
		}
	case supervisor.EventCompleted:
		if e.Restarts == 0 || !says(e, "next") {
			return debug // a Permanent child that returns nil again and again is a mistake
		}
	case supervisor.EventAbandoned:
		if !says(e, "after") {
			return debug // child.AtOnce: nothing has waited for it
		}
	case supervisor.EventStopped:
		if harmless(e.Err) {
			return debug
		}
	case supervisor.EventUp, supervisor.EventClosing, supervisor.EventOver:
		switch {
		case strings.LastIndexByte(e.Path, '/') > 0:
			return debug // nested
		case says(e, "abandoned") || says(e, "unclean"):
			return log.SeverityWarn
		}
	}
	return mostSevere(e.Kind)
}

// mostSevere returns the highest severity that most events of the kind may have. An
// EventReady may also be at info, and the end of a supervisor at warn.
func mostSevere(kind supervisor.EventKind) log.Severity {
	switch kind {
	case supervisor.EventFailed, supervisor.EventAbandoned, supervisor.EventHung, supervisor.EventGaveUp:
		return log.SeverityError
	case supervisor.EventError, supervisor.EventUnready, supervisor.EventSlowStart, supervisor.EventLateExit,
		supervisor.EventCompleted, supervisor.EventStopped:
		return log.SeverityWarn
	case supervisor.EventUp, supervisor.EventDraining, supervisor.EventClosing, supervisor.EventOver,
		supervisor.EventRequest, supervisor.EventSuspended, supervisor.EventResumed:
		return log.SeverityInfo
	}
	return debug
}

// says reports whether the log line of an event has an attribute.
func says(e *supervisor.Event, key string) bool {
	for _, a := range e.LogValue().Group() {
		if a.Key == key {
			return true
		}
	}
	return false
}

// harmless reports whether an error that a run returned while it was being stopped says no
// more than that: see supervisor.StopError.
func harmless(err error) (yes bool) {
	defer func() {
		if recover() != nil { // a method of the error
			yes = false
		}
	}()
	return onlyStopped(err, 0)
}

// maxDepth bounds how deep errors are looked into.
const maxDepth = 100

// onlyStopped reports whether all errors that err consists of are those of a stop.
func onlyStopped(err error, depth int) bool {
	if err == nil || isStop(err) {
		return true
	}
	if _, panicked := err.(*child.PanicError); panicked || depth == maxDepth {
		return false
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		below := e.Unwrap()
		return below != nil && onlyStopped(below, depth+1)
	case interface{ Unwrap() []error }:
		all := e.Unwrap()
		for _, below := range all {
			if !onlyStopped(below, depth+1) {
				return false
			}
		}
		return len(all) > 0
	}
	return false
}

var stopErrors = []error{
	context.Canceled, child.ErrStopped, child.ErrRemoved, child.ErrSibling, child.ErrGaveUp, child.ErrDone,
	child.ErrShutdown, child.ErrIgnore, net.ErrClosed, os.ErrClosed,
}

// isStop reports whether err itself, not what it wraps, is one of stopErrors.
func isStop(err error) bool {
	for _, stop := range stopErrors {
		if err == stop {
			return true
		}
	}
	return err.Error() == "http: Server closed" && errors.Unwrap(err) == nil
}

package coppiceotel

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/coppice-go/coppice/supervisor"
)

// records writes the events of one tree as log records.
type records struct {
	logger log.Logger
	root   *supervisor.Supervisor
	least  log.Severity
	down   map[string]time.Time // since when children are restarted or unready; used by the subscriber only
}

// maxDown is the number of children that are remembered as down. If there are more, it is
// not recorded when they are ready again.
const maxDown = 1 << 16

func newRecords(logger log.Logger, root *supervisor.Supervisor, least log.Severity) *records {
	if least == log.SeverityUndefined {
		least = log.SeverityInfo
	}
	return &records{logger, root, least, make(map[string]time.Time)}
}

// kinds returns the kinds of events that may be written.
func (r *records) kinds() (all []supervisor.EventKind) {
	for kind := supervisor.EventStarting; kind <= supervisor.EventOver; kind++ {
		if mostSevere(kind) >= r.least {
			all = append(all, kind)
		}
	}
	return all
}

// receive is the subscriber.
func (r *records) receive(e supervisor.Event) {
	level := severity(&e)
	down := r.backAfter(&e)
	if down > 0 {
		level = log.SeverityInfo
	}
	if level < r.least {
		return
	}
	name := "coppice." + strings.ReplaceAll(e.Kind.String(), "-", "_")
	ctx := context.Background()
	if !r.logger.Enabled(ctx, log.EnabledParameters{Severity: level, EventName: name}) {
		return
	}
	var record log.Record
	record.SetTimestamp(e.Time)
	record.SetEventName(name)
	record.SetSeverity(level)
	record.SetSeverityText(level.String())
	record.SetBody(attribute.StringValue(cut(e.String(), maxText)))
	record.AddAttributes(r.attributes(&e)...)
	if down > 0 {
		record.AddAttributes(keyDown.Float64(down.Seconds()))
	}
	r.logger.Emit(ctx, record)
}

// backAfter keeps track of the children that are down. If the event says that one is ready
// again, it returns after how long, at least a nanosecond.
func (r *records) backAfter(e *supervisor.Event) time.Duration {
	since, down := r.down[e.Path]
	switch e.Kind {
	case supervisor.EventRestarting, supervisor.EventUnready:
		if len(r.down) >= maxDown {
			clear(r.down)
		}
		if !down {
			r.down[e.Path] = e.Time
		}
	case supervisor.EventReady, supervisor.EventCompleted, supervisor.EventStopped:
		delete(r.down, e.Path)
		if down && e.Kind == supervisor.EventReady {
			return max(1, e.Time.Sub(since))
		}
	}
	return 0
}

// attributes returns the attributes of a record: those of the log line, under the names of
// this package.
func (r *records) attributes(e *supervisor.Event) []attribute.KeyValue {
	attrs := []attribute.KeyValue{keyTree.String(strings.TrimPrefix(r.root.Path(), "/"))}
	path := keyPath
	if ofSupervisor(e.Kind) {
		path = keySupervisor
	}
	attrs = append(attrs, path.String(lineOf(e.Path)), keySeq.Int64(int64(e.Seq)))
	if e.Run != 0 {
		attrs = append(attrs, keyRun.Int64(int64(e.Run)))
	}
	if e.Because != 0 {
		attrs = append(attrs, keyBecause.Int64(int64(e.Because)))
	}
	attrs = append(attrs, reasons(e)...)
	for _, a := range e.LogValue().Group() {
		switch a.Key {
		case "event", "path", "restarts", "reason", "by", "down":
		case "err":
			attrs = append(attrs, keyErrorType.String(errorType(e.Err)),
				keyExceptionType.String(goType(e.Err)), keyExceptionMessage.String(errorText(e.Err)))
		case "stack":
			attrs = append(attrs, keyExceptionStack.String(stackText(e.Stack)))
		default:
			attrs = append(attrs, converted("coppice."+a.Key, a.Value))
		}
	}
	return attrs
}

// ofSupervisor reports whether events of the kind are about a supervisor, with its path.
func ofSupervisor(kind supervisor.EventKind) bool {
	switch kind {
	case supervisor.EventGaveUp, supervisor.EventSuspended, supervisor.EventResumed,
		supervisor.EventApplying, supervisor.EventApplied, supervisor.EventUp,
		supervisor.EventDraining, supervisor.EventClosing, supervisor.EventOver:
		return true
	}
	return false
}

// converted returns an attribute of a log line as one of OpenTelemetry. Durations are in
// seconds.
func converted(key string, v slog.Value) attribute.KeyValue {
	switch v.Kind() {
	case slog.KindDuration:
		return attribute.Float64(key, v.Duration().Seconds())
	case slog.KindInt64:
		return attribute.Int64(key, v.Int64())
	case slog.KindUint64:
		return attribute.Int64(key, int64(v.Uint64()))
	}
	return attribute.String(key, cut(v.String(), maxText))
}

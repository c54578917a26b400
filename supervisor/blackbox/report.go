package blackbox

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
)

// reportedEvents is the number of events of a life that the next one logs.
const reportedEvents = 10

// report reads what earlier lives have left, and logs what is wrong with it. It reports
// false if there is nothing to read yet, because the directory is not there.
func (r *recorder) report() bool {
	last, wrong, err := before(r.spec.Dir, r.store.life)
	if err != nil {
		return false
	}
	r.last.Store(last)
	for i := range wrong {
		l, events := &wrong[i], wrong[i].lastEvents(reportedEvents)
		r.later(func() { r.logLife(l, events) })
	}
	return true
}

// prune removes lives that are too many.
func (r *recorder) prune() {
	if err := prune(r.spec.Dir, r.store.life, r.spec.Keep); err != nil {
		r.log(slog.LevelWarn, "coppice: black box: cannot remove old recordings", "dir", r.spec.Dir, "err", err)
	}
}

// lastEvents returns the last events of a life as text, n at most. Status texts say nothing
// about its end.
func (l *Life) lastEvents(n int) (texts []string) {
	events, _ := l.Events(20 * n) // without those that cannot be read
	events = slices.DeleteFunc(events, func(e supervisor.Event) bool { return e.Kind == supervisor.EventStatus })
	for i, e := range events[max(0, len(events)-n):] {
		if i == 0 {
			e.Lost = 0 // not asked for
		}
		texts = append(texts, e.Time.Local().Format(timeOfDay)+" "+cut(e.String(), maxErr))
	}
	return texts
}

// logLife logs that an earlier life did not end well: a line for the life, and one for
// each of its last events.
func (r *recorder) logLife(l *Life, events []string) {
	args := []any{"life", oneline.Text(l.Dir), "end", l.End.String(), "pid", l.PID, "began", l.Began, "latest", l.Latest}
	if l.Err != "" {
		args = append(args, "err", l.Err)
	}
	if len(l.Dumps) > 0 {
		args = append(args, "dumps", strings.Join(l.Dumps, ", "))
	}
	r.spec.Logger.Warn("coppice: black box: an earlier life did not end well", args...)
	for _, text := range events {
		r.spec.Logger.Log(context.Background(), slog.LevelWarn, "coppice: black box: before its end", "event", text)
	}
}

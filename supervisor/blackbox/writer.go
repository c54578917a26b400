package blackbox

import (
	"log/slog"
	"time"
)

const (
	firstRetry = time.Second // after a write that failed
	lastRetry  = 30 * time.Second
	warnAgain  = time.Hour // least time between two warnings
)

// A writer writes the lines of a recorder. While that fails it drops them, except for the
// latest, which wait for the next attempt, as many as may be in memory.
type writer struct {
	*recorder
	used []byte

	err    error // of the first write that failed since the last one that did not
	since  time.Time
	wait   time.Duration // until the next attempt
	retry  *time.Timer   // nil if nothing failed
	warned time.Time     // when the last warning was logged
	loud   bool          // this failure was logged

	reported bool // earlier lives
	pruned   bool
}

// write runs the writer until stop.
func (r *recorder) write() {
	defer close(r.written)
	w := &writer{recorder: r}
	w.put(nil)
	w.reported = w.reported || r.report() // a disk that cannot be written may still be read
	r.later(func() { close(r.opened) })
	for {
		var retry <-chan time.Time
		if w.retry != nil {
			retry = w.retry.C
		}
		select {
		case <-r.wake:
			if w.err == nil {
				w.lines()
			}
		case <-retry:
			w.lines()
		case done := <-r.flushes:
			w.lines()
			r.store.sync()
			close(done)
		case <-r.quit:
			w.lines()
			w.finish()
			return
		}
	}
}

// lines writes what is queued. While writing fails, that is an attempt.
func (w *writer) lines() {
	lines, trouble := w.take(w.used)
	w.used = nil
	if len(lines) > 0 || w.err != nil {
		w.put(lines)
	}
	if trouble {
		poke(w.syncs)
	}
	if cap(lines) <= 1<<16 || len(lines) > cap(lines)/4 { // otherwise a storm is over
		w.used = lines
	}
}

// put writes lines, after a note if nothing could be written before.
func (w *writer) put(lines []byte) {
	if w.err != nil {
		note := trouble{Trouble: cut(textOf(w.err), maxErr), Since: w.since, Time: time.Now()}
		lines = append(appendNote(nil, note), lines...)
	}
	err := w.store.put(lines)
	if err != nil {
		w.failed(err)
		return
	}
	if w.err != nil {
		w.resumed()
	}
	if !w.reported {
		w.reported = w.report()
	}
	if !w.pruned { // what was reported
		w.pruned = true
		w.prune()
	}
}

// failed says that lines could not be written.
func (w *writer) failed(err error) {
	now := time.Now()
	if w.err == nil {
		w.err, w.since, w.wait = err, now, firstRetry
		w.loud = w.warned.IsZero() || now.Sub(w.warned) >= warnAgain
		if w.loud {
			w.warned = now
			w.log(slog.LevelWarn, "coppice: black box: cannot write, events are being lost; it keeps trying",
				"dir", w.spec.Dir, "err", err)
		}
	} else {
		w.wait = min(2*w.wait, lastRetry)
		w.retry.Stop()
	}
	w.retry = time.NewTimer(w.wait)
}

// resumed says that lines could be written again.
func (w *writer) resumed() {
	if w.loud {
		w.log(slog.LevelInfo, "coppice: black box: writes again", "dir", w.spec.Dir, "after", time.Since(w.since).Round(time.Millisecond))
	}
	w.retry.Stop()
	w.err, w.retry = nil, nil
}

// finish writes how the recording ended, and closes everything.
func (w *writer) finish() {
	w.mu.Lock()
	end := w.end
	w.mu.Unlock()
	w.put(appendNote(nil, end))
	if w.retry != nil {
		w.retry.Stop()
	}
	w.detach(end.End)
	w.store.sync()
	w.store.close()
}

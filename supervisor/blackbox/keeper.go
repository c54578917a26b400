package blackbox

import (
	"context"
	"log/slog"
	"os"
	"time"
)

// syncEvery is the least time between two syncs because of an event.
const syncEvery = time.Second

// keep does what may take longer, until stop.
func (r *recorder) keep() {
	defer close(r.kept)
	timer := time.NewTimer(0) // of the next sync
	<-timer.C
	defer timer.Stop()
	var synced time.Time
	for {
		select {
		case f := <-r.tasks:
			f()
		case <-r.dumps.wake:
			r.dumps.work()
		case <-r.syncs:
			timer.Reset(time.Until(synced.Add(syncEvery)))
		case <-timer.C:
			r.store.sync()
			synced = time.Now()
		case done := <-r.settles:
			r.dumps.work()
			close(done)
		case <-r.stopped:
			r.dumps.work()
			r.finishTasks()
			return
		}
	}
}

// later calls f on the keeper's goroutine. If that is held up by a log handler, f may be
// dropped, which it reports.
func (r *recorder) later(f func()) bool {
	select {
	case r.tasks <- func() {
		defer func() { _ = recover() }() // the log handler is what panics
		f()
	}:
		return true
	default:
		return false
	}
}

// retire syncs and closes a file that is full.
func (r *recorder) retire(f *os.File) {
	done := r.later(func() {
		_ = f.Sync()
		_ = f.Close()
	})
	if !done {
		_ = f.Close()
	}
}

// log logs a line later.
func (r *recorder) log(level slog.Level, msg string, args ...any) {
	r.later(func() { r.spec.Logger.Log(context.Background(), level, msg, args...) })
}

// finishTasks does what is left.
func (r *recorder) finishTasks() {
	for {
		select {
		case f := <-r.tasks:
			f()
		default:
			return
		}
	}
}

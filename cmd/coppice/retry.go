package main

import (
	"context"
	"time"
)

// The delays between attempts to connect.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Second
)

// A retry counts attempts to connect. The zero value is the first one.
type retry struct{ delay time.Duration }

// next returns how long to wait before the next attempt.
func (r *retry) next() time.Duration {
	r.delay = min(max(2*r.delay, firstRetry), lastRetry)
	return r.delay
}

// reset starts over after a success.
func (r *retry) reset() { r.delay = 0 }

// sleep waits, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

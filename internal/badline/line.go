// Package badline has connections that a test can make fail.
package badline

import (
	"context"
	"sync"
	"time"
)

// A Line is the connection of one member to a server. It can be cut, lose replies and be
// slow. The zero Line is a good one. All methods may be called from any goroutine.
type Line struct {
	mu      sync.Mutex
	cut     chan struct{} // closed when the line is connected again; nil: it is
	lose    int           // how many replies to changes are lost next
	latency time.Duration
}

// Cut cuts the line, or connects it again.
func (l *Line) Cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case cut && l.cut == nil:
		l.cut = make(chan struct{})
	case !cut && l.cut != nil:
		close(l.cut)
		l.cut = nil
	}
}

// LoseReplies loses n more replies to changes.
func (l *Line) LoseReplies(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose += n
}

// Slow sets how long each reply takes. The request itself arrives at once.
func (l *Line) Slow(latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency = latency
}

// Send waits until a request gets through, or ctx ends, and returns the error of ctx.
func (l *Line) Send(ctx context.Context) error {
	for {
		l.mu.Lock()
		cut := l.cut
		l.mu.Unlock()
		if cut == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-cut:
		case <-ctx.Done():
		}
	}
}

// Answer waits until the reply to a request gets through, or ctx ends, and returns the error
// of ctx. change says that the request changes something.
func (l *Line) Answer(ctx context.Context, change bool) error {
	l.mu.Lock()
	lost := change && l.lose > 0
	if lost {
		l.lose--
	}
	latency := l.latency
	l.mu.Unlock()
	if lost {
		<-ctx.Done()
	}
	if latency <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

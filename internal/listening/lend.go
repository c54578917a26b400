package listening

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Lending passes a listener from run to run. The zero value is ready to use.
type Lending struct {
	mu    sync.Mutex
	last  *lent
	spent bool // a run has closed the listener for good
}

// A deadliner is a listener whose Accept can be made to return without closing it.
type deadliner interface{ SetDeadline(time.Time) error }

// Lend returns a listener for the next run, which accepts from ln. Closing it only ends the
// Accept of that run. But if ln has no SetDeadline, closing it closes ln, and Lend returns an
// error after that.
//
// Lend takes ln from the previous run, which may be abandoned and still accepting.
func (l *Lending) Lend(ln net.Listener) (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		_ = l.last.close()
		l.last.accepting.Lock() // until its Accept has returned
		defer l.last.accepting.Unlock()
	}
	if l.spent {
		return nil, errors.New("Spec.Listener was closed by the previous run, because it has no SetDeadline")
	}
	if d, ok := ln.(deadliner); ok {
		if err := d.SetDeadline(time.Time{}); err != nil {
			return nil, err
		}
	}
	l.last = &lent{Listener: ln, from: l}
	return l.last, nil
}

// lent is the listener of one run.
type lent struct {
	net.Listener
	from      *Lending
	accepting sync.Mutex
	closed    atomic.Bool
}

func (l *lent) Accept() (net.Conn, error) {
	l.accepting.Lock()
	defer l.accepting.Unlock()
	if l.closed.Load() {
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil && l.closed.Load() {
		return nil, net.ErrClosed
	}
	return conn, err
}

func (l *lent) Close() error {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	return l.close()
}

// close has an effect only once, because a second call would end the Accept of the next
// run. The lock of the Lending must be held, so that no run takes over meanwhile.
func (l *lent) close() error {
	if l.closed.Swap(true) {
		return nil
	}
	if d, ok := l.Listener.(deadliner); ok {
		return d.SetDeadline(time.Unix(1, 0)) // in the past
	}
	l.from.spent = true
	return l.Listener.Close()
}

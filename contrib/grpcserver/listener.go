package grpcserver

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/coppice-go/coppice/child"
)

// A listener tracks the connections that it has accepted, because Stop and GracefulStop
// both wait for the handshakes of all of them: a connection that sends nothing would delay
// a stop by grpc.ConnectionTimeout.
type listener struct {
	net.Listener

	failed  atomic.Bool // Accept has failed for good
	once    sync.Once
	onClose func() // called before the listener is closed, unless it has failed
	err     error  // of Close

	mu      sync.Mutex
	tcp     map[*conn]struct{}
	unix    map[weak.Pointer[net.UnixConn]]struct{}
	stopped bool // no silent connection may stay
	closed  bool // no connection may stay
}

func track(ln net.Listener, onClose func()) *listener {
	return &listener{
		Listener: ln,
		onClose:  onClose,
		tcp:      make(map[*conn]struct{}),
		unix:     make(map[weak.Pointer[net.UnixConn]]struct{}),
	}
}

func (l *listener) Accept() (net.Conn, error) {
	returned := false
	defer func() {
		if !returned { // it has panicked
			l.failed.Store(true)
		}
	}()
	accepted, err := l.Listener.Accept()
	returned = true
	if err != nil {
		if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() { // as in grpc.Server.Serve
			l.failed.Store(true)
		}
		return nil, err
	}
	switch c := accepted.(type) {
	case *net.TCPConn:
		return l.add(c), nil
	case *net.UnixConn:
		l.remember(c)
	}
	return accepted, nil
}

// Close closes the listener once, and says every time what came of it. The listener may be
// the user's, and grpc.Server closes it under a lock, so a panic is an error.
func (l *listener) Close() error {
	l.once.Do(func() {
		if !l.failed.Load() {
			l.onClose()
		}
		defer func() {
			if v := recover(); v != nil {
				l.err = child.Recovered(v)
			}
		}()
		l.err = l.Listener.Close()
	})
	return l.err
}

// A conn knows whether its client has sent something. It has the methods of a TCP
// connection, for credentials that look for them.
type conn struct {
	*net.TCPConn
	of    *listener
	heard atomic.Bool
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.tcp, c)
	c.of.mu.Unlock()
	return c.TCPConn.Close()
}

func (l *listener) add(tcp *net.TCPConn) *conn {
	c := &conn{TCPConn: tcp, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		_ = tcp.Close()
	} else {
		l.tcp[c] = struct{}{}
	}
	return c
}

// remember tracks the connection of a unix socket. It is not wrapped, because credentials
// that ask for the process of the peer expect this type. So its end cannot be seen, but it
// is forgotten when it is collected.
func (l *listener) remember(c *net.UnixConn) {
	p := weak.Make(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return
	}
	l.unix[p] = struct{}{}
	runtime.AddCleanup(c, l.forget, p)
}

func (l *listener) forget(p weak.Pointer[net.UnixConn]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.unix, p)
}

// stop closes the listener, and the connections that have sent nothing yet. They carry no
// call.
func (l *listener) stop() error {
	err := l.Close()
	l.mu.Lock()
	l.stopped = true
	var silent []*conn
	for c := range l.tcp {
		if !c.heard.Load() {
			silent = append(silent, c)
		}
	}
	l.mu.Unlock()
	for _, c := range silent {
		_ = c.Close()
	}
	if errors.Is(err, net.ErrClosed) { // by other code
		return nil
	}
	return err
}

// closeConns closes all connections.
func (l *listener) closeConns() {
	l.mu.Lock()
	l.stopped, l.closed = true, true
	open := make([]net.Conn, 0, len(l.tcp)+len(l.unix))
	for c := range l.tcp {
		open = append(open, c)
	}
	for p := range l.unix {
		if c := p.Value(); c != nil {
			open = append(open, c)
		}
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

//go:build unix

package main

import (
	"net"
	"sync"
)

// A line is what one member reaches etcd by: a TCP proxy for each member of etcd. When it is
// cut, connections stay open, and nothing passes.
type line struct {
	listeners []net.Listener

	mu  sync.Mutex
	cut chan struct{} // closed when the line is whole again; nil: it is
}

func newLine(targets []string) (*line, error) {
	l := &line{}
	for _, target := range targets {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			l.close()
			return nil, err
		}
		l.listeners = append(l.listeners, listener)
		go l.accept(listener, target) // ends with the listener
	}
	return l, nil
}

// endpoints returns where the member connects.
func (l *line) endpoints() (all []string) {
	for _, listener := range l.listeners {
		all = append(all, listener.Addr().String())
	}
	return all
}

func (l *line) accept(listener net.Listener, target string) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		go l.serve(near, target) // ends with the connection
	}
}

func (l *line) serve(near net.Conn, target string) {
	defer near.Close()
	l.pass()
	far, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { l.copy(far, near) })
	both.Go(func() { l.copy(near, far) })
	both.Wait()
}

func (l *line) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		l.pass()
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// pass waits while the line is cut.
func (l *line) pass() {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut != nil {
		<-cut
	}
}

func (l *line) setCut(cut bool) {
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

func (l *line) close() {
	l.setCut(false)
	for _, listener := range l.listeners {
		listener.Close()
	}
}

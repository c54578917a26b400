package badline

import (
	"context"
	"net"
	"sync"
)

// A Proxy passes TCP connections on over a Line. While the line is cut, connections stay
// open and nothing passes.
type Proxy struct {
	line     *Line
	listener net.Listener
	target   func() string
	ctx      context.Context // until Close
	close    context.CancelFunc
	all      sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Listen starts a Proxy on a free loopback port. Each connection is passed on to what target
// returns then. The caller must call Close.
func (l *Line) Listen(target func() string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{line: l, listener: listener, target: target, conns: make(map[net.Conn]struct{})}
	p.ctx, p.close = context.WithCancel(context.Background())
	p.all.Go(p.accept)
	return p, nil
}

// Addr returns the address to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Drop closes all connections. New ones are accepted.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Close ends the proxy and all connections. It may be called more than once.
func (p *Proxy) Close() {
	p.close()
	p.listener.Close()
	p.Drop()
	p.all.Wait()
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.serve(near) })
	}
}

func (p *Proxy) serve(near net.Conn) {
	defer p.keep(near)()
	if p.line.Send(p.ctx) != nil {
		return
	}
	var dialer net.Dialer
	far, err := dialer.DialContext(p.ctx, "tcp", p.target())
	if err != nil {
		return
	}
	defer p.keep(far)()
	var both sync.WaitGroup
	both.Go(func() { p.copy(far, near) })
	both.Go(func() { p.copy(near, far) })
	both.Wait()
}

// keep notes a connection, which Drop and Close close, until the returned function is
// called, which closes it.
func (p *Proxy) keep(c net.Conn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	if p.ctx.Err() != nil {
		c.Close()
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
		c.Close()
	}
}

// copy copies until one side is closed, and closes both.
func (p *Proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if p.line.Send(p.ctx) != nil {
			return
		}
		if _, wrong := to.Write(buffer[:n]); err != nil || wrong != nil {
			return
		}
	}
}

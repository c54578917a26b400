package etcdgate

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// A line is the connection of one member to etcd: a TCP proxy that can be cut, and
// interceptors that lose and delay replies.
type line struct {
	listener net.Listener
	target   func() string

	mu      sync.Mutex
	cut     chan struct{} // closed when it is connected again; nil: it is
	lose    int           // how many replies to changes are lost next
	latency time.Duration
	unaries int // requests that were sent, without watches and renewals
	conns   []net.Conn
	closed  bool
	all     sync.WaitGroup
}

// newLine returns a line to what target returns at the time of each connection.
func newLine(t testing.TB, target func() string) *line {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &line{listener: listener, target: target}
	l.all.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

func (l *line) endpoint() string { return "http://" + l.listener.Addr().String() }

func (l *line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.all.Go(func() {
			defer near.Close()
			if !l.keep(near) {
				return
			}
			l.open()
			far, err := net.Dial("tcp", l.target())
			if err != nil {
				return
			}
			defer far.Close()
			if !l.keep(far) {
				return
			}
			var both sync.WaitGroup
			both.Go(func() { l.copy(far, near) })
			both.Go(func() { l.copy(near, far) })
			both.Wait()
		})
	}
}

// keep notes a connection that close closes.
func (l *line) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	return !l.closed
}

func (l *line) close() {
	l.setCut(false)
	l.mu.Lock()
	l.closed = true
	conns := l.conns
	l.mu.Unlock()
	l.listener.Close()
	for _, c := range conns {
		c.Close()
	}
	l.all.Wait()
}

// open waits while the line is cut.
func (l *line) open() {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut != nil {
		<-cut
	}
}

func (l *line) copy(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		l.open()
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
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

func (l *line) loseReply() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose++
}

func (l *line) slow(latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency = latency
}

// drop closes all connections. New ones are accepted.
func (l *line) drop() {
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

func (l *line) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unaries
}

// answered waits until a reply gets through.
func (l *line) answered(ctx context.Context, method string, err error) error {
	if err != nil {
		return err
	}
	change := strings.HasSuffix(method, "/Txn") || strings.Contains(method, "/Lease")
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
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func (l *line) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	l.mu.Lock()
	l.unaries++
	l.mu.Unlock()
	return l.answered(ctx, method, invoke(ctx, method, req, reply, cc, opts...))
}

func (l *line) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !strings.HasSuffix(method, "/LeaseKeepAlive") {
		return open(ctx, desc, cc, method, opts...)
	}
	s, err := open(ctx, desc, cc, method, opts...)
	return &renewal{s, l}, err
}

// A renewal is the stream of one renewal.
type renewal struct {
	grpc.ClientStream
	line *line
}

func (s *renewal) RecvMsg(m any) error {
	return s.line.answered(s.Context(), "/LeaseKeepAlive", s.ClientStream.RecvMsg(m))
}

// client returns a client that is connected by the line.
func (l *line) client(t testing.TB, change ...func(*clientv3.Config)) *clientv3.Client {
	config := clientv3.Config{
		Endpoints: []string{l.endpoint()},
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithChainUnaryInterceptor(l.unary), grpc.WithChainStreamInterceptor(l.stream),
		},
	}
	for _, f := range change {
		f(&config)
	}
	c, err := clientv3.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

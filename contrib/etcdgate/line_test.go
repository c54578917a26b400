package etcdgate

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/coppice-go/coppice/internal/badline"
)

// A line is the connection of one member to etcd: a TCP proxy that can be cut, and
// interceptors that lose and delay replies.
type line struct {
	badline.Line
	*badline.Proxy
	unaries atomic.Int64 // requests that were sent, without watches and renewals
}

// newLine returns a line to what target returns at the time of each connection.
func newLine(t testing.TB, target func() string) *line {
	l := &line{}
	var err error
	l.Proxy, err = l.Listen(target)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// answered waits until a reply gets through.
func (l *line) answered(ctx context.Context, method string, err error) error {
	if err != nil {
		return err
	}
	return l.Answer(ctx, strings.HasSuffix(method, "/Txn") || strings.Contains(method, "/Lease"))
}

func (l *line) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	l.unaries.Add(1)
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
		Endpoints: []string{"http://" + l.Addr()},
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

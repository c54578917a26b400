package grpcserver_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
)

// certificate returns a certificate for 127.0.0.1, and the pool that it is in.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return srv.TLS.Certificates[0], pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	s := grpcserver.New(grpcserver.Spec{
		Addr:     loopback,
		Register: says("hi"),
		Options: func(child.Context) ([]grpc.ServerOption, error) {
			return []grpc.ServerOption{grpc.Creds(credentials.NewServerTLSFromCert(&cert))}, nil
		},
	})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	silent, err := net.Dial("tcp", addr(t, s))
	require.NoError(t, err)
	defer silent.Close()
	conn, err := grpc.NewClient(addr(t, s), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "")))
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, "hi", mustCall(t, conn), "so the connection before it was accepted, too")
	require.NoError(t, root.Stop(soon(t)))
}

package httpserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
)

// certificate makes a certificate for 127.0.0.1, once, because that is slow.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
})

func eachTLS(t *testing.T, addr string, h http.Handler) func(child.Context) (*http.Server, error) {
	cert, _ := certificate()
	return func(ctx child.Context) (*http.Server, error) {
		srv, err := each(addr, h)(ctx)
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		return srv, err
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for want, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		s := httpserver.New(httpserver.Spec{Server: eachTLS(t, loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(r.Proto))
		}))})
		root := start(t, s, child.Spec{StopTimeout: child.Forever})
		c := client(t)
		_, roots := certificate()
		c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
		c.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
		for range 2 {
			require.Equal(t, want, mustGet(t, c, strings.Replace(url(t, s), "http:", "https:", 1)))
			require.NoError(t, root.RestartChild(soon(t), "api"), "in go-service a server could not run twice")
		}
	}
}

func TestTLSWithoutACertificateIsAFailedStart(t *testing.T) {
	s := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: loopback, TLSConfig: &tls.Config{}}, nil
	}})
	require.ErrorContains(t, launch(t, s, child.Spec{}).Start(soon(t)), "no certificate")
}

// A run must not turn the next one into TLS, as it does in go-service.
func TestPlainHTTPStaysPlainAfterARestart(t *testing.T) {
	s := httpserver.New(httpserver.Spec{Server: each(loopback, says("hi"))})
	root := start(t, s, child.Spec{})
	require.NoError(t, root.RestartChild(soon(t), "api"))
	require.Equal(t, "hi", mustGet(t, client(t), url(t, s)))
}

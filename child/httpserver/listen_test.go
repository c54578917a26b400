package httpserver_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// unixClient makes a client of a socket file.
func unixClient(t *testing.T, path string) *http.Client {
	c := client(t)
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return c
}

func TestUnixSocket(t *testing.T) {
	path := socketFile(t)
	s := httpserver.New(httpserver.Spec{Network: "unix", Server: each(path, says("hi"))})
	root := start(t, s, child.Spec{})
	c := unixClient(t, path)
	for range 2 {
		require.Equal(t, "hi", mustGet(t, c, "http://any"))
		addr, _ := s.Addr.Load()
		require.Equal(t, path, addr.String())
		require.NoError(t, root.RestartChild(soon(t), "api"))
	}
	require.NoError(t, root.Stop(context.Background()))
	require.NoFileExists(t, path)
}

func TestGivenListenerServesEveryRunAndStaysOpen(t *testing.T) {
	ln, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	defer ln.Close()
	s := httpserver.New(httpserver.Spec{Listener: ln, Server: each("ignored", says("hi"))})
	root := start(t, s, child.Spec{})
	at := "http://" + ln.Addr().String()
	for range 3 {
		require.Equal(t, "hi", mustGet(t, client(t), at))
		require.NoError(t, root.RestartChild(soon(t), "api"))
		addr, _ := s.Addr.Load()
		require.Equal(t, ln.Addr(), addr)
	}
	require.NoError(t, root.StopChild(soon(t), "api"))
	body := make(chan string, 1)
	waiting, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err, "the connection waits in the queue")
	defer waiting.Close()
	go func() {
		_, _ = waiting.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		text := make([]byte, 1000)
		n, _ := waiting.Read(text)
		body <- string(text[:n])
	}()
	require.NoError(t, root.RestartChild(soon(t), "api"))
	require.Contains(t, next(t, body), "hi", "the next run serves it")
	require.NoError(t, root.Stop(context.Background()))
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err, "the given listener stays open")
	_ = conn.Close()
}

func TestGivenListenerOutlivesAnAbandonedRun(t *testing.T) {
	ln, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	defer ln.Close()
	came, release := make(chan struct{}, 1), make(chan struct{})
	s := httpserver.New(httpserver.Spec{Listener: ln, Server: each("", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stay" {
			came <- struct{}{}
			<-release
		}
	}))})
	root := start(t, s, child.Spec{StopTimeout: child.AtOnce})
	late := events(t, root, supervisor.EventLateExit)
	conn, _ := dial(t, s)
	_, err = conn.Write([]byte("GET /stay HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	next(t, came)
	require.NoError(t, root.RestartChild(soon(t), "api"))
	close(release)
	next(t, late)
	require.Empty(t, mustGet(t, client(t), "http://"+ln.Addr().String()), "the end of the abandoned run did not close the listener of its successor")
}

// plain is a listener without SetDeadline.
type plain struct{ net.Listener }

func TestGivenListenerWithoutSetDeadlineServesOneRun(t *testing.T) {
	ln, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	defer ln.Close()
	s := httpserver.New(httpserver.Spec{Listener: plain{ln}, Server: each("", says("hi"))})
	root := start(t, s, child.Spec{})
	require.Equal(t, "hi", mustGet(t, client(t), url(t, s)))
	require.ErrorContains(t, root.RestartChild(soon(t), "api"), "has no SetDeadline")
}

func TestClosedGivenListenerIsAFailedStart(t *testing.T) {
	ln, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	s := httpserver.New(httpserver.Spec{Listener: ln, Server: each("", nil)})
	require.ErrorIs(t, launch(t, s, child.Spec{}).Start(soon(t)), net.ErrClosed)
}

func TestEmptyAddressIsThePortOfHTTP(t *testing.T) {
	var asked []string
	refuse := func(_ context.Context, network, address string) (net.Listener, error) {
		asked = append(asked, network+" "+address)
		return nil, errBoom
	}
	s := httpserver.New(httpserver.Spec{Listen: refuse, Server: each("", nil)})
	require.ErrorIs(t, launch(t, s, child.Spec{}).Start(soon(t)), errBoom)
	s = httpserver.New(httpserver.Spec{Listen: refuse, Network: "tcp6", Server: eachTLS(t, "", nil)})
	require.ErrorIs(t, launch(t, s, child.Spec{}).Start(soon(t)), errBoom)
	require.Equal(t, []string{"tcp :http", "tcp6 :https"}, asked)
}

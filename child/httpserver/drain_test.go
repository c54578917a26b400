package httpserver_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

func TestWhileDrainingItServesOnAndIsNotReady(t *testing.T) {
	t.Parallel()
	const drain = 300 * time.Millisecond
	s := httpserver.New(httpserver.Spec{Server: each(loopback, says("hi")), Drain: drain})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	stopping := events(t, root, supervisor.EventStopping)
	at := url(t, s)
	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	next(t, stopping)
	require.ErrorIs(t, root.Health(), child.ErrNotReady)
	body, err := get(client(t), at)
	if time.Since(began) < drain { // otherwise the machine was too slow for this check
		require.NoError(t, err)
		require.Equal(t, "hi", body, "a new connection is served")
	}
	require.NoError(t, next(t, stopped))
	require.GreaterOrEqual(t, time.Since(began), drain)
	_, err = get(client(t), at)
	require.Error(t, err)
}

// A drain that is longer than the stop timeout still leaves time for the requests.
func TestDrainingTakesAtMostHalfOfTheGrace(t *testing.T) {
	t.Parallel()
	l := newLatch()
	s := httpserver.New(httpserver.Spec{Drain: time.Hour, Server: func(ctx child.Context) (*http.Server, error) {
		srv, err := each(loopback, l)(ctx)
		srv.RegisterOnShutdown(func() { close(l.let) }) // the request ends only at Shutdown
		return srv, err
	}})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	stopped := events(t, root, supervisor.EventStopped)
	conn, answer := dial(t, s)
	_, err := conn.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	next(t, l.came)
	began := time.Now()
	require.NoError(t, root.Stop(context.Background()))
	require.GreaterOrEqual(t, time.Since(began), 800*time.Millisecond)
	require.NoError(t, next(t, stopped).Err)
	text, err := io.ReadAll(answer)
	require.NoError(t, err)
	require.Contains(t, string(text), "done", "it was not cut off")
}

package probe_test

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
	"github.com/coppice-go/coppice/supervisor/probe"
)

// A server in a nested supervisor answers for the whole tree, also while it drains.
func TestServedByAChildTheProbesAreAboutItsTree(t *testing.T) {
	probes := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: "127.0.0.1:0", Handler: probe.New(probe.Spec{})}, nil
	}})
	ops := nested("ops", child.Spec{Name: "probes", Run: probes.Run})
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Drain: time.Hour, Children: []child.Spec{
		{Name: "ops", Run: ops.Run}, {Name: "db", Run: idle},
	}})
	draining := make(chan struct{})
	defer root.Subscribe(func(supervisor.Event) { close(draining) }, supervisor.EventDraining)()
	require.NoError(t, root.Start(t.Context()))
	addr, err := probes.Addr.Get(t.Context())
	require.NoError(t, err)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func(path string) string {
		resp, err := client.Get("http://" + addr.String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.Status + ": " + string(body)
	}
	require.Equal(t, "200 OK: ready\n", ask("/readyz"))
	require.Equal(t, "200 OK: started\n", ask("/startupz"))
	require.NoError(t, root.StopChild(t.Context(), "db"))
	require.Equal(t, "503 Service Unavailable: not ready\n/shop/db: not ready: stopped\n", ask("/readyz"))
	require.NoError(t, root.RestartChild(t.Context(), "db"))

	stop, endDrain := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(stop) }()
	<-draining
	require.Equal(t, "503 Service Unavailable: not ready\n/shop: draining\n", ask("/readyz"))
	require.Equal(t, "200 OK: live\n", ask("/livez"))
	endDrain()
	require.NoError(t, <-stopped)
}

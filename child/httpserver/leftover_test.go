//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package httpserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/internal/testkit"
)

func TestSocketOfAKilledProcessIsReplaced(t *testing.T) {
	path := testkit.LeftoverSocket(t, time.Hour)
	root := start(t, httpserver.New(httpserver.Spec{Network: "unix", Server: each(path, says("hi"))}), child.Spec{})
	require.Equal(t, "hi", mustGet(t, unixClient(t, path), "http://any"))
	require.NoError(t, root.Stop(soon(t)))
	require.NoFileExists(t, path)
}

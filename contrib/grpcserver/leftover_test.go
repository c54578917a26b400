//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package grpcserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/internal/testkit"
)

func TestSocketOfAKilledProcessIsReplaced(t *testing.T) {
	path := testkit.LeftoverSocket(t, time.Hour)
	root := start(t, grpcserver.New(grpcserver.Spec{Network: "unix", Addr: path, Register: says("hi")}), child.Spec{})
	require.Equal(t, "hi", mustCall(t, dial(t, "unix:"+path)))
	require.NoError(t, root.Stop(soon(t)))
	require.NoFileExists(t, path)
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
)

// playIgnorer ignores SIGCHLD, so that the kernel reaps its children, and runs a program.
func playIgnorer() {
	signal.Ignore(syscall.SIGCHLD)
	p := process.New(process.Spec{Command: shell("sleep 0.1; exit 3"), Logger: quiet})
	fmt.Println(p.Run(child.FromContext(context.Background())))
}

// No signal must be sent to the group by then: it may be that of a stranger.
func TestAProgramThatSomethingElseReaps(t *testing.T) {
	said, err := player("ignorer").Output()
	require.NoError(t, err)
	require.Contains(t, string(said), "process: the group of sh was not killed")
	require.Contains(t, string(said), "is SIGCHLD ignored")
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The script says when its traps are set. Then it gets every signal that may stop a group,
// and must still kill the group at the end of its standard input.
func TestTheGuardSurvivesTheSignalsOfAStop(t *testing.T) {
	read, alive, err := os.Pipe()
	require.NoError(t, err)
	defer alive.Close()
	traps, rest, found := strings.Cut(guardScript, ";")
	require.True(t, found)
	cmd := exec.Command("/bin/sh", "-c", traps+"; echo set;"+rest)
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, read.Close())
	_, err = out.Read(make([]byte, 10))
	require.NoError(t, err)
	for _, sig := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGALRM,
		syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		require.NoError(t, syscall.Kill(-cmd.Process.Pid, sig))
	}
	require.NoError(t, alive.Close())
	var ended *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &ended)
	by, _ := endedBy(ended.ProcessState)
	require.Equal(t, syscall.SIGKILL, by)
}

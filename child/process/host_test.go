//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Once a program may have been reaped, its group may have become that of a stranger.
func TestNoSignalReachesAStranger(t *testing.T) {
	for name, end := range map[string]func(*host, *exec.Cmd){
		"after its end": func(h *host, cmd *exec.Cmd) { h.wait(cmd) },
		"after something else has reaped it": func(h *host, cmd *exec.Cmd) {
			require.NoError(t, cmd.Wait())
			h.wait(cmd)
			require.Error(t, h.err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("true")
			require.NoError(t, leadGroup(cmd))
			require.NoError(t, cmd.Start())
			h := &host{pid: cmd.Process.Pid, process: cmd.Process}
			end(h, cmd)

			stranger := exec.Command("sleep", "1000")
			require.NoError(t, leadGroup(stranger))
			require.NoError(t, stranger.Start())
			h.pid, h.process.Pid = stranger.Process.Pid, stranger.Process.Pid // as if the number came again
			h.kill()
			h.ask(syscall.SIGINT)
			require.NoError(t, stranger.Process.Signal(syscall.SIGTERM))
			_ = stranger.Wait()
			by, _ := endedBy(stranger.ProcessState)
			require.Equal(t, syscall.SIGTERM, by)
		})
	}
}

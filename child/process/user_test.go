//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
)

func TestAProgramOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can run a program as another user")
	}
	program(t, "systemd-notify", "systemd")
	m := newMark(t)
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	p := process.New(process.Spec{
		Command: func(ctx child.Context) (*exec.Cmd, error) {
			cmd, err := m.on(shell("sleep 1000 & id -u >&3; systemd-notify --ready || exit; wait"))(ctx)
			cmd.SysProcAttr = attr
			return cmd, err
		},
		Ready:  process.Ready{Notify: true},
		Logger: quiet,
	})
	root := start(t, p, child.Spec{})
	require.Equal(t, "65534", m.said(t))
	require.NoError(t, root.Stop(soon(t)))
	m.requireNobody(t)
	require.Equal(t, &syscall.SysProcAttr{Credential: attr.Credential}, attr, "it belongs to the caller")
}

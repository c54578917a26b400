//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// A guard is a shell in the group of a program. It waits until this process is gone, and
// then kills the group. As a part of the group it cannot kill a group that has got the same
// number later. A nil guard does nothing.
type guard struct {
	cmd   *exec.Cmd
	alive *os.File // closed when this process is gone
}

// The signals that may ask the group to stop are not for the guard. It reads the end of its
// standard input when this process is gone.
const guardScript = `trap '' HUP INT QUIT ABRT ALRM PIPE TERM TSTP TTIN TTOU USR1 USR2; read -r _; kill -s KILL 0`

// startGuard starts the guard of a program that has been started. It returns nil if there
// cannot be one.
func startGuard(of *exec.Cmd) (*guard, error) {
	if of.SysProcAttr.Setsid {
		return nil, nil // a group of another session cannot be joined
	}
	read, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command("/bin/sh", "-c", guardScript, "coppice-guard") // a name for lists of processes
	cmd.Dir, cmd.Env, cmd.Stdin = "/", []string{}, read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: of.Process.Pid}
	if err := cmd.Start(); err != nil {
		_ = alive.Close()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ESRCH) {
			return nil, nil // no shell, or the group is gone already
		}
		return nil, err
	}
	return &guard{cmd, alive}, nil
}

// end reaps the guard, which was killed with the group, or ends now.
func (g *guard) end() {
	if g == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	_ = g.alive.Close()
	_ = g.cmd.Wait()
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// leadGroup makes the program the leader of a process group of its own.
func leadGroup(cmd *exec.Cmd) error {
	attr := new(syscall.SysProcAttr)
	if cmd.SysProcAttr != nil {
		*attr = *cmd.SysProcAttr // it may be shared by several commands
	}
	if attr.Pgid != 0 {
		return errors.New("process: SysProcAttr of the command sets Pgid, but the program needs a group of its own: remove it")
	}
	attr.Setpgid = !attr.Setsid // the leader of a session leads a group already
	dieWithParent(attr)
	cmd.SysProcAttr = attr
	return nil
}

// askGroup sends a signal to all of the group, and to a leader that has moved to another one.
// A stopped process receives it only when it goes on.
func askGroup(leader *os.Process, sig syscall.Signal) {
	group, err := syscall.Getpgid(leader.Pid)
	moved := err == nil && group != leader.Pid
	for _, s := range []syscall.Signal{sig, syscall.SIGCONT} {
		_ = syscall.Kill(-leader.Pid, s)
		if moved {
			_ = syscall.Kill(leader.Pid, s)
		}
	}
}

// askAlone sends a signal to a program that may have been reaped: os.Process knows that.
func askAlone(leader *os.Process, sig syscall.Signal) { _ = leader.Signal(sig) }

// killGroup kills all of the group, and its leader, which may have moved to another one. An
// error says that nobody is left: macOS reports EPERM if all of them are zombies.
func killGroup(leader *os.Process) {
	_ = syscall.Kill(-leader.Pid, syscall.SIGKILL)
	_ = syscall.Kill(leader.Pid, syscall.SIGKILL)
}

// endedBy returns the signal that ended the program.
func endedBy(state *os.ProcessState) (syscall.Signal, bool) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return status.Signal(), true
}

// stoppedBy reports whether the program has ended as one does that was asked to stop with
// sig. Shells, Java and others exit with 128 plus the number of the signal.
func stoppedBy(state *os.ProcessState, sig syscall.Signal) bool {
	by, killed := endedBy(state)
	return state.Success() || killed && by == sig || state.ExitCode() == 128+int(sig)
}

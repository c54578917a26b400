//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// There are no process groups, and no signals that ask a program to stop.

func leadGroup(*exec.Cmd) error { return nil }

func askGroup(leader *os.Process, _ syscall.Signal) { _ = leader.Kill() }

func askAlone(leader *os.Process, _ syscall.Signal) { _ = leader.Kill() }

func killGroup(leader *os.Process) { _ = leader.Kill() }

func endedBy(*os.ProcessState) (syscall.Signal, bool) { return 0, false }

// stoppedBy is true: the program was killed because it was asked to stop.
func stoppedBy(*os.ProcessState, syscall.Signal) bool { return true }

// awaitExit cannot wait for a process without reaping it.
func awaitExit(int) error { return errors.ErrUnsupported }

type guard struct{}

func startGuard(*exec.Cmd) (*guard, error) { return nil, nil }

func (*guard) end() {}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

// The first sleep is started before the trap is set: a shell with a trap loses a signal for
// a child that it has forked but that does not run its program yet.
func TestStopReachesGrandchildren(t *testing.T) {
	m := newMark(t)
	root := start(t, process.New(process.Spec{
		Command: m.on(shell("sleep 1000 & trap 'wait; exit' TERM; (trap 'echo bye >&3; exit' TERM; echo up; sleep 1000 & wait) & wait")),
		Ready:   process.Ready{Line: "up"},
		Logger:  quiet,
	}), child.Spec{})
	require.NoError(t, root.Stop(soon(t)))
	require.Equal(t, "bye", m.said(t))
	m.requireNobody(t)
}

// They ignore the signal, and hold the pipes of the program.
func TestGrandchildrenOfACrashAreKilled(t *testing.T) {
	m := newMark(t)
	err := run(t, process.Spec{Command: m.on(shell("(trap '' TERM HUP; sleep 1000; echo never) & (sleep 1000) & echo up; exit 3"))})
	require.Equal(t, 3, exit(t, err).Code)
	m.requireNobody(t)
}

// It has left the group, holds the pipes of the program, and prints without end.
func TestAProcessThatHasLeftTheGroupDoesNotHoldUpTheRun(t *testing.T) {
	setsid := program(t, "setsid", "util-linux")
	for _, does := range []string{"exec sleep 1000", "while :; do echo noise; done"} {
		m := newMark(t)
		before := time.Now()
		left := filepath.Join(t.TempDir(), "left")
		require.NoError(t, syscall.Mkfifo(left, 0o600))
		err := run(t, process.Spec{Command: m.on(shell(fmt.Sprintf("%s sh -c 'echo $$ >&3; echo >%s; %s' & read _ <%[2]s; exit 3", setsid, left, does)))})
		require.Equal(t, 3, exit(t, err).Code)
		require.Less(t, time.Since(before), 30*time.Second)
		pid, err := strconv.Atoi(m.said(t))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		m.requireNobody(t)
	}
}

// The restart must not find the port taken, say.
// playLeaver moves to the group of its parent, and ignores SIGTERM if it has an argument.
func playLeaver() {
	group, err := syscall.Getpgid(os.Getppid())
	if err == nil {
		err = syscall.Setpgid(0, group)
	}
	if err != nil {
		panic(err)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Println("up")
	for range asked {
		if len(os.Args) == 1 {
			return
		}
	}
}

func TestAProgramThatLeavesItsOwnGroupIsStopped(t *testing.T) {
	require.NoError(t, stopped(t, process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) { return player("leaver"), nil },
	}, child.Spec{}))
}

func TestAProgramThatLeavesItsOwnGroupIsKilled(t *testing.T) {
	m := newMark(t)
	err := stopped(t, process.Spec{
		Command: m.on(func(child.Context) (*exec.Cmd, error) { return player("leaver", "stubborn"), nil }),
	}, child.Spec{StopTimeout: 2 * time.Second})
	var stop *supervisor.StopError
	require.ErrorAs(t, err, &stop)
	require.Empty(t, stop.Abandoned, "it was killed in time")
	require.Equal(t, syscall.SIGKILL, exit(t, err).Signal)
	m.requireNobody(t)
}

func TestARestartFindsNothingOfTheEarlierRun(t *testing.T) {
	m := newMark(t)
	runs := 0
	p := process.New(process.Spec{
		Command: func(ctx child.Context) (*exec.Cmd, error) {
			if runs++; runs == 1 {
				return m.on(shell("sleep 1000 & exit 1"))(ctx)
			}
			return shell("exec sleep 1000")(ctx)
		},
		Logger: quiet,
	})
	root := launch(t, p, child.Spec{})
	again := events(t, root, supervisor.EventReady)
	require.NoError(t, root.Start(soon(t)))
	next(t, again)
	next(t, again)
	m.requireNobody(t)
}

// It cannot have a guard, which is no error.
func TestASessionOfItsOwn(t *testing.T) {
	m := newMark(t)
	root := launch(t, process.New(process.Spec{
		Command: func(ctx child.Context) (*exec.Cmd, error) {
			cmd, err := m.on(shell("sleep 1000 & echo up; wait"))(ctx)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			return cmd, err
		},
		Ready:  process.Ready{Line: "up"},
		Logger: quiet,
	}), child.Spec{})
	reported := events(t, root, supervisor.EventError)
	require.NoError(t, root.Start(soon(t)))
	require.NoError(t, root.Stop(soon(t)))
	m.requireNobody(t)
	require.Empty(t, reported)
}

func TestAGroupOfOthersIsRefused(t *testing.T) {
	err := run(t, process.Spec{Command: func(ctx child.Context) (*exec.Cmd, error) {
		cmd := exec.Command("true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: 1}
		return cmd, nil
	}})
	require.ErrorContains(t, err, "Pgid")
}

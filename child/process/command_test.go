//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
)

func TestFaultsOfASpec(t *testing.T) {
	good := shell("exit 0")
	for text, spec := range map[string]process.Spec{
		"Command is nil": {},
		"set one":        {Command: good, Ready: process.Ready{Line: "up", Addr: "127.0.0.1:1"}},
		"no Addr":        {Command: good, Ready: process.Ready{Network: "unix"}},
		"missing port":   {Command: good, Ready: process.Ready{Addr: "localhost"}},
		"use tcp":        {Command: good, Ready: process.Ready{Network: "udp", Addr: "127.0.0.1:1"}},
		"line break":     {Command: good, Ready: process.Ready{Line: "up\n"}},
		"leave one nil": {Ready: process.Ready{Line: "up"}, Command: func(child.Context) (*exec.Cmd, error) {
			return &exec.Cmd{Path: "/bin/sh", Stdout: os.Stdout, Stderr: os.Stderr}, nil
		}},
		"process_test.noSignal": {Command: good, Signal: noSignal{}},
		"Signal is 0":           {Command: good, Signal: syscall.Signal(0)},
		"Signal is -9":          {Command: good, Signal: syscall.Signal(-9)},
		"returned nil":          {Command: func(child.Context) (*exec.Cmd, error) { return nil, nil }},
		"boom":                  {Command: func(child.Context) (*exec.Cmd, error) { return nil, errBoom }},
		"Stdout of the command is a *bytes.Buffer": {Command: func(child.Context) (*exec.Cmd, error) {
			return &exec.Cmd{Path: "/bin/sh", Stdout: new(bytes.Buffer)}, nil
		}},
		"Stdin of the command is a *strings.Reader": {Command: func(child.Context) (*exec.Cmd, error) {
			return &exec.Cmd{Path: "/bin/sh", Stdin: strings.NewReader("")}, nil
		}},
	} {
		require.ErrorContains(t, run(t, spec), text)
	}
}

type noSignal struct{}

func (noSignal) Signal()        {}
func (noSignal) String() string { return "none" }

func TestAProgramThatIsNotThere(t *testing.T) {
	err := run(t, process.Spec{Command: func(child.Context) (*exec.Cmd, error) { return exec.Command("/nonexistent/program"), nil }})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "/nonexistent/program")
	err = run(t, process.Spec{Command: func(child.Context) (*exec.Cmd, error) { return exec.Command("no-such-program-anywhere"), nil }})
	require.ErrorIs(t, err, exec.ErrNotFound)
}

func TestEachRunNeedsANewCommand(t *testing.T) {
	cmd := exec.Command("true")
	spec := process.Spec{Command: func(child.Context) (*exec.Cmd, error) { return cmd, nil }}
	require.NoError(t, run(t, spec))
	require.ErrorContains(t, run(t, spec), "each run needs a new one")
}

// With CommandContext alone, the program would be killed at once.
func TestAContextOfTheCommandIsIgnored(t *testing.T) {
	log := newLog()
	require.NoError(t, stopped(t, process.Spec{
		Command: func(ctx child.Context) (*exec.Cmd, error) {
			return exec.CommandContext(ctx, "/bin/sh", "-c", "trap 'sleep 0.2; echo clean; exit 0' TERM; echo up; sleep 1000 & wait"), nil
		},
		Logger: log.logger(),
	}, child.Spec{}))
	require.Contains(t, log.lines(), "INFO clean")
}

func TestEnvironmentThatIsAddressedToThisProcessIsLeftOut(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/of/this/process")
	t.Setenv("WATCHDOG_USEC", "1")
	t.Setenv("WATCHDOG_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	log := newLog()
	require.NoError(t, run(t, process.Spec{Command: shell("echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none} ${WATCHDOG_PID-none} $LISTEN_FDS"), Logger: log.logger()}))
	require.Equal(t, []string{"INFO none none none 1"}, log.lines())
}

func TestEnvironmentOfTheCommandIsKept(t *testing.T) {
	log := newLog()
	require.NoError(t, run(t, process.Spec{Logger: log.logger(), Command: func(ctx child.Context) (*exec.Cmd, error) {
		cmd, err := shell("pwd; echo $MINE ${HOME-none}")(ctx)
		cmd.Env, cmd.Dir = []string{"MINE=1"}, "/"
		return cmd, err
	}}))
	require.Equal(t, []string{"INFO /", "INFO 1 none"}, log.lines())
}

func TestPanicInCommandIsThatOfTheRun(t *testing.T) {
	require.PanicsWithValue(t, "boom", func() {
		_ = process.New(process.Spec{Command: func(child.Context) (*exec.Cmd, error) { panic("boom") }}).Run(child.FromContext(context.Background()))
	})
}

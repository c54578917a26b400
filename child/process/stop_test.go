//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

// stopped starts a script, which must print "up", stops it, and returns what its end
// counts as.
func stopped(t *testing.T, spec process.Spec, c child.Spec) error {
	t.Helper()
	spec.Ready = process.Ready{Line: "up"}
	if spec.Logger == nil {
		spec.Logger = quiet
	}
	root := start(t, process.New(spec), c)
	return root.Stop(context.Background())
}

func TestCleanStops(t *testing.T) {
	for name, script := range map[string]string{
		"dies of the signal":       "echo up; exec sleep 1000",
		"exits with status 0":      "trap 'exit 0' TERM; echo up; sleep 1000 & wait",
		"exits with 128 + signal":  "trap 'exit 143' TERM; echo up; sleep 1000 & wait",
		"is stopped by SIGSTOP":    "sh -c 'echo up; kill -STOP $PPID'; exec sleep 1000",
		"closes its outputs first": "echo up; exec >&- 2>&-; exec sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, stopped(t, process.Spec{Command: shell(script)}, child.Spec{}))
		})
	}
}

func TestSignalOfTheSpec(t *testing.T) {
	log := newLog()
	require.NoError(t, stopped(t, process.Spec{
		Command: shell("trap 'echo got INT; exit 0' INT; trap '' TERM; echo up; while :; do sleep 1000 & wait; done"),
		Signal:  syscall.SIGINT,
		Logger:  log.logger(),
	}, child.Spec{}))
	require.Contains(t, log.lines(), "INFO got INT")
}

func TestStopThatFailsIsReported(t *testing.T) {
	err := stopped(t, process.Spec{Command: shell("trap 'echo disk full >&2; exit 7' TERM; echo up; sleep 1000 & wait")}, child.Spec{})
	e := exit(t, err)
	require.Equal(t, 7, e.Code)
	require.Nil(t, e.Signal)
	require.ErrorContains(t, err, "disk full")
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestAnotherSignalThanTheOneSentIsAFailureOfTheStop(t *testing.T) {
	err := stopped(t, process.Spec{Command: shell("trap 'kill -ABRT $$' TERM; echo up; sleep 1000 & wait")}, child.Spec{})
	require.Equal(t, syscall.SIGABRT, exit(t, err).Signal)
}

// It ignores SIGTERM, and so do its children.
func TestStubbornGroupIsKilledAtNineTenthsOfTheStopTimeout(t *testing.T) {
	t.Parallel()
	m := newMark(t)
	const timeout = 6 * time.Second
	err := stopped(t, process.Spec{
		Command: m.on(shell("trap '' TERM; sleep 1000 & sleep 1000 & echo up; while :; do sleep 1000 & wait; done")),
	}, child.Spec{StopTimeout: timeout})
	var stop *supervisor.StopError
	require.ErrorAs(t, err, &stop)
	require.Empty(t, stop.Abandoned, "it was killed in time")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	e := exit(t, err)
	require.Equal(t, syscall.SIGKILL, e.Signal)
	require.GreaterOrEqual(t, e.Late, timeout*8/10)
	require.Regexp(t, `sh: did not stop within \S+ and was killed: up$`, e.Error())
	m.requireNobody(t)
}

func TestWithoutAStopTimeoutAProgramMayTakeItsTime(t *testing.T) {
	m := newMark(t)
	command, in := m.onWithStdin("exec 4<&0; trap 'echo asked >&3; read go <&4; exit 0' TERM; echo up; sleep 1000 & wait")
	p := process.New(process.Spec{Command: command, Ready: process.Ready{Line: "up"}, Logger: quiet})
	root := start(t, p, child.Spec{StopTimeout: child.Forever})
	ended := make(chan error, 1)
	go func() { ended <- root.Stop(context.Background()) }()
	require.Equal(t, "asked", m.said(t))
	select {
	case err := <-ended:
		require.Fail(t, "did not wait for the program", "%v", err)
	default:
	}
	require.NoError(t, (<-in).Close())
	require.NoError(t, next(t, ended))
}

func TestStopAtOnceKillsTheProgram(t *testing.T) {
	m := newMark(t)
	p := process.New(process.Spec{Command: m.on(shell("trap '' TERM; echo up; while :; do sleep 1000 & wait; done")), Ready: process.Ready{Line: "up"}, Logger: quiet})
	root := start(t, p, child.Spec{StopTimeout: child.AtOnce})
	late := events(t, root, supervisor.EventLateExit)
	require.NoError(t, root.Stop(context.Background()))
	m.requireNobody(t)
	next(t, late)
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

func TestExitErrorSaysHowAProgramEnded(t *testing.T) {
	err := run(t, process.Spec{Command: shell("echo out; echo first >&2; echo cannot open config >&2; echo >&2; exit 3")})
	e := exit(t, err)
	require.Regexp(t, `^sh: exit status 3 after \S+s: cannot open config$`, err.Error())
	require.Equal(t, []string{"first", "cannot open config", ""}, e.Last)
	require.Equal(t, "sh", e.Program)
	require.Equal(t, 3, e.Code)
	require.Nil(t, e.Signal)
	require.True(t, e.Ready)
	require.Positive(t, e.Lived)
	require.Zero(t, e.Late)
	require.Positive(t, e.PID)
	require.Equal(t, e.PID, e.State.Pid())
	require.NoError(t, errors.Unwrap(err))
}

func TestExitErrorOfAProgramThatASignalHasEnded(t *testing.T) {
	err := run(t, process.Spec{Command: shell("kill -SEGV $$")})
	e := exit(t, err)
	require.Equal(t, syscall.SIGSEGV, e.Signal)
	require.Equal(t, -1, e.Code)
	require.Regexp(t, `^sh: killed by a signal \(segmentation fault\) after \S+s$`, err.Error())
}

func TestExitErrorHasStdoutIfStderrIsSilent(t *testing.T) {
	require.Equal(t, []string{"out"}, exit(t, run(t, process.Spec{Command: shell("echo out; exit 3")})).Last)
}

// A terminal must not be at the mercy of what a program prints.
func TestExitErrorIsBoundedAndEscaped(t *testing.T) {
	err := run(t, process.Spec{Command: shell(`for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do echo $i; done >&2
		printf '\033[2J' >&2; head -c 100000 /dev/zero | tr '\0' x >&2; exit 1`)})
	require.Len(t, exit(t, err).Last, 20)
	require.Less(t, len(err.Error()), 2000)
	require.NotContains(t, err.Error(), "\x1b")
}

func TestTreeSaysWhyAProgramEnded(t *testing.T) {
	p := process.New(process.Spec{Command: shell("echo cannot bind >&2; exit 98"), Logger: quiet})
	root := supervisor.New(supervisor.Spec{Logger: quiet, Backoff: child.Constant(time.Hour), Children: []child.Spec{{Name: "program", Run: p.Run}}})
	failed := events(t, root, supervisor.EventFailed)
	require.NoError(t, root.Start(soon(t)))
	next(t, failed)
	require.Contains(t, root.Tree().String(), "cannot bind")
	require.NoError(t, root.Stop(soon(t)))
}

func TestExitErrorIsSafe(t *testing.T) {
	var none *process.ExitError
	require.Equal(t, "nil *process.ExitError", none.Error())
	require.NoError(t, none.Unwrap())
	late := &process.ExitError{Program: "p", Late: time.Second, Last: []string{" ", ""}}
	require.Equal(t, "p: did not stop within 1s and was killed", fmt.Sprint(late))
	require.ErrorIs(t, late, context.DeadlineExceeded)
	require.False(t, strings.Contains(late.Error(), "\n"))
}

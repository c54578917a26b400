//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

func TestOutputGoesToTheLog(t *testing.T) {
	log := newLog()
	p := process.New(process.Spec{
		Command: shell("echo warning >&2; echo up; exec sleep 1000"), Ready: process.Ready{Line: "up"}, Logger: log.logger(),
	})
	root := start(t, p, child.Spec{})
	now, _ := p.Current.Load()
	require.NoError(t, root.Stop(soon(t)))
	require.ElementsMatch(t, []string{"WARN warning", "INFO up"}, log.lines())
	for _, r := range log.records {
		attrs := map[string]any{}
		r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.Any(); return true })
		require.Equal(t, map[string]any{"path": "/root/program", "pid": int64(now.PID)}, attrs)
	}
}

func TestAllOutputOfAProgramThatEndsIsLogged(t *testing.T) {
	log := newLog()
	require.NoError(t, run(t, process.Spec{Command: shell("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; printf end"), Logger: log.logger()}))
	lines := log.lines()
	require.Len(t, lines, 3001)
	require.Equal(t, "INFO line 2999", lines[2999])
	require.Equal(t, "INFO end", lines[3000])
}

func TestAProgramThatPrintsWithoutEndIsStopped(t *testing.T) {
	for _, script := range []string{
		"while :; do echo noise; echo noise >&2; done",
		"exec cat /dev/zero", // binary, and never a newline
		"exec cat /dev/zero >&2",
	} {
		root := start(t, process.New(process.Spec{Command: shell("echo up; " + script), Ready: process.Ready{Line: "up"}, Logger: quiet}), child.Spec{})
		require.NoError(t, root.Stop(soon(t)))
	}
}

func TestAProgramThatClosesItsOutputsGoesOn(t *testing.T) {
	m := newMark(t)
	root := start(t, process.New(process.Spec{Command: m.on(shell("exec >&- 2>&-; echo closed >&3; exec sleep 1000")), Logger: quiet}), child.Spec{})
	require.Equal(t, "closed", m.said(t))
	st, _ := root.Lookup("program")
	require.Equal(t, child.Running, st.State)
	require.NoError(t, root.Stop(soon(t)))
	m.requireNobody(t)
}

// A handler is called for each line of the output.
type handler func(slog.Record)

func (handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h handler) WithGroup(string) slog.Handler          { return h }
func (h handler) Handle(_ context.Context, r slog.Record) error {
	h(r)
	return nil
}

func TestALoggerThatFailsIsReportedAndTheProgramGoesOn(t *testing.T) {
	for name, fails := range map[string]func(){"panic": func() { panic("broken logger") }, "runtime.Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			m := newMark(t)
			p := process.New(process.Spec{
				Command: m.on(shell("echo one; echo two; echo up >&3; exec sleep 1000")),
				Logger:  slog.New(handler(func(slog.Record) { fails() })),
			})
			root := launch(t, p, child.Spec{})
			reported := events(t, root, supervisor.EventError)
			require.NoError(t, root.Start(soon(t)))
			require.ErrorContains(t, next(t, reported).Err, name)
			require.Equal(t, "up", m.said(t))
			require.NoError(t, root.Stop(soon(t)))
			require.Empty(t, reported, "once per run")
		})
	}
}

func TestALoggerThatBlocksDoesNotKeepTheProgramFromBeingKilled(t *testing.T) {
	t.Parallel()
	m := newMark(t)
	blocked, release := make(chan struct{}), make(chan struct{})
	block := sync.OnceFunc(func() { close(blocked) })
	p := process.New(process.Spec{
		Command: m.on(shell("trap '' TERM; while :; do echo noise; done")),
		Logger:  slog.New(handler(func(slog.Record) { block(); <-release })),
	})
	root := start(t, p, child.Spec{StopTimeout: 500 * time.Millisecond})
	late := events(t, root, supervisor.EventLateExit)
	next(t, blocked)
	var stop *supervisor.StopError
	require.ErrorAs(t, root.Stop(soon(t)), &stop)
	m.requireNobody(t)
	require.Len(t, stop.Abandoned, 1)
	close(release)
	next(t, late)
}

func TestOutputToAFile(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer file.Close()
	log := newLog()
	require.NoError(t, run(t, process.Spec{Logger: log.logger(), Command: func(ctx child.Context) (*exec.Cmd, error) {
		cmd, err := shell("echo to the file; echo to the log >&2")(ctx)
		cmd.Stdout = file
		return cmd, err
	}}))
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.Equal(t, "to the file\n", string(text))
	require.Equal(t, []string{"WARN to the log"}, log.lines())
}

// The reading of one stream must not wait for the other.
func TestOneStreamMayBeFlooded(t *testing.T) {
	var lines atomic.Int64
	p := process.New(process.Spec{
		Command: shell("(i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done >&2); echo up; exec sleep 1000"),
		Ready:   process.Ready{Line: "up"},
		Logger: slog.New(handler(func(r slog.Record) {
			if strings.HasPrefix(r.Message, "0123") {
				lines.Add(1)
			}
		})),
	})
	root := start(t, p, child.Spec{})
	require.NoError(t, root.Stop(soon(t)))
	require.EqualValues(t, 20000, lines.Load())
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"context"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

func TestWithoutReadyAProgramIsReadyAtOnce(t *testing.T) {
	p := process.New(process.Spec{Command: shell("exec sleep 1000"), Logger: quiet})
	root := start(t, p, child.Spec{})
	now, ok := p.Current.Load()
	require.True(t, ok)
	require.NoError(t, now.Signal(syscall.Signal(0)), "it is running")
	require.NoError(t, root.Stop(soon(t)))
	require.Error(t, now.Signal(syscall.Signal(0)), "it has ended")
	_, ok = p.Current.Load()
	require.False(t, ok)
}

func TestReadyByALineOfEitherStream(t *testing.T) {
	for _, script := range []string{
		"echo no; echo it is up now; exec sleep 1000",
		"echo it is up now >&2; exec sleep 1000",
		"printf 'it is up'; exec sleep 1000", // an incomplete line
	} {
		log := newLog()
		root := start(t, process.New(process.Spec{Command: shell(script), Ready: process.Ready{Line: "is up"}, Logger: log.logger()}), child.Spec{})
		require.NoError(t, root.Stop(soon(t)))
		log.await(t, "it is up")
	}
}

func TestALineIsAwaited(t *testing.T) {
	m := newMark(t)
	command, in := m.onWithStdin("echo waits >&3; read go; echo up; exec sleep 1000")
	p := process.New(process.Spec{Command: command, Ready: process.Ready{Line: "up"}, Logger: quiet})
	root := launch(t, p, child.Spec{})
	started := make(chan error, 1)
	go func() { started <- root.Start(soon(t)) }()
	require.Equal(t, "waits", m.said(t))
	st, _ := root.Lookup("program")
	require.Equal(t, child.Starting, st.State)
	_, err := io.WriteString(<-in, "go\n")
	require.NoError(t, err)
	require.NoError(t, next(t, started))
	require.NoError(t, root.Stop(soon(t)))
}

func TestReadyByAnAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	p := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) { return player("listener", path), nil },
		Ready:   process.Ready{Network: "unix", Addr: path},
	})
	root := start(t, p, child.Spec{})
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, root.Stop(soon(t)))
}

func TestAddressOfSomethingElseIsNotReady(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	p := process.New(process.Spec{
		Command: shell("exec sleep 1000"),
		Ready:   process.Ready{Addr: taken.Addr().String()},
	})
	err = launch(t, p, child.Spec{}).Start(soon(t))
	require.ErrorContains(t, err, "something else accepts connections at "+taken.Addr().String())
}

func TestAProgramThatEndsBeforeItIsReadyHasFailed(t *testing.T) {
	for _, ready := range []process.Ready{{Line: "up"}, {Addr: "127.0.0.1:1"}, {Notify: true}} {
		err := run(t, process.Spec{Command: shell("echo no luck"), Ready: ready})
		e := exit(t, err)
		require.Equal(t, 0, e.Code)
		require.False(t, e.Ready)
		require.Regexp(t, `^sh: exit status 0 after \S+, before it was ready: no luck$`, err.Error())
	}
}

// Whichever is noticed first.
func TestALineAtTheVeryEndCounts(t *testing.T) {
	for range 20 {
		require.NoError(t, run(t, process.Spec{Command: shell("echo up"), Ready: process.Ready{Line: "up"}}))
		require.NoError(t, run(t, process.Spec{Command: shell("exit 0")}))
	}
}

func TestStartTimeoutStopsTheProgram(t *testing.T) {
	m := newMark(t)
	p := process.New(process.Spec{Command: m.on(shell("sleep 1000 & wait")), Ready: process.Ready{Line: "up"}})
	err := launch(t, p, child.Spec{StartTimeout: 1}).Start(soon(t))
	require.ErrorIs(t, err, child.ErrStartTimeout)
	m.requireNobody(t)
}

func TestStopBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	p := process.New(process.Spec{Command: func(child.Context) (*exec.Cmd, error) {
		cancel(errBoom)
		return exec.Command("/nonexistent"), nil
	}})
	require.ErrorIs(t, p.Run(child.FromContext(ctx)), errBoom)
}

func TestARestartRunsANewProgram(t *testing.T) {
	p := process.New(process.Spec{Command: shell("exec sleep 1000"), Logger: quiet})
	root := start(t, p, child.Spec{})
	before, _ := p.Current.Load()
	up := events(t, root, supervisor.EventReady)
	require.NoError(t, root.RestartChild(soon(t), "program"))
	next(t, up)
	after, err := p.Current.Get(soon(t))
	require.NoError(t, err)
	require.NotEqual(t, before.PID, after.PID)
	require.False(t, after.Started.Before(before.Started))
}

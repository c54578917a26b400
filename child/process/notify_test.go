//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

// playNotifier sends each line of its standard input as a message, and prints what it knows.
// A backslash in it is a line break.
func playNotifier() {
	fmt.Printf("socket %s period %s\n", os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"))
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		panic(err)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if _, err := io.WriteString(conn, strings.ReplaceAll(in.Text(), `\`, "\n")); err != nil {
			panic(err)
		}
	}
}

// playStopper is ready at once, and sends a thousand messages when it is asked to stop.
func playStopper() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		panic(err)
	}
	messages := 1
	for range 2 {
		for range messages {
			if _, err := io.WriteString(conn, "READY=1"); err != nil {
				panic(err)
			}
		}
		if messages == 1 {
			<-stop
		}
		messages = 1000
	}
}

// A notifier is a program that sends messages, and the pipe that tells it which.
type notifier struct {
	*process.Process
	log *log
	in  chan io.WriteCloser
}

func newNotifier() *notifier {
	n := &notifier{log: newLog(), in: make(chan io.WriteCloser, 100)}
	n.Process = process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			cmd := player("notifier")
			in, err := cmd.StdinPipe()
			n.in <- in
			return cmd, err
		},
		Ready:  process.Ready{Notify: true},
		Logger: n.log.logger(),
	})
	return n
}

func send(t *testing.T, in io.Writer, messages ...string) {
	t.Helper()
	_, err := io.WriteString(in, strings.Join(messages, "\n")+"\n")
	require.NoError(t, err)
}

func TestReadyByNotification(t *testing.T) {
	n := newNotifier()
	root := launch(t, n.Process, child.Spec{})
	started := make(chan error, 1)
	go func() { started <- root.Start(soon(t)) }()
	in := next(t, n.in)
	n.log.await(t, "socket /")
	send(t, in, "STATUS=loading", `READY=0\NOT=READY=1`, "")
	st, _ := root.Lookup("program")
	require.Equal(t, child.Starting, st.State)
	send(t, in, `STATUS=it serves\READY=1`)
	require.NoError(t, next(t, started))
	socket := strings.Fields(n.log.await(t, "socket /"))[2]
	require.FileExists(t, socket)
	require.NoError(t, root.Stop(soon(t)))
	require.NoDirExists(t, filepath.Dir(socket))
}

func TestStatusOfTheProgramIsInTheStatusText(t *testing.T) {
	n := newNotifier()
	root := launch(t, n.Process, child.Spec{})
	texts := events(t, root, supervisor.EventStatus)
	go func() { _ = root.Start(soon(t)) }()
	in := next(t, n.in)
	send(t, in, "READY=1", "STATUS=hi\x1b[31m <b>\xff")
	for {
		text := next(t, texts).Text
		require.True(t, strings.HasPrefix(text, "pid "), "%q", text)
		if _, said, found := strings.Cut(text, ": "); found {
			require.Equal(t, `hi\x1b[31m <b>\xff`, said)
			return
		}
	}
}

// beating is a context that counts heartbeats.
type beating struct {
	child.Context
	beats chan struct{}
}

func (b beating) Heartbeat() { b.beats <- struct{}{} }

func TestWatchdogOfTheProgramIsTheHeartbeat(t *testing.T) {
	n := newNotifier()
	ctx, stop := context.WithCancel(context.Background())
	run := beating{child.FromContext(ctx), make(chan struct{}, 100)}
	ended := make(chan error, 1)
	go func() { ended <- n.Run(run) }()
	in := next(t, n.in)
	send(t, in, "READY=1", "WATCHDOG=1", `STATUS=x\WATCHDOG=1`, "WATCHDOG=0", "WATCHDOG=1")
	for range 3 {
		next(t, run.beats)
	}
	_, err := n.Current.Get(soon(t)) // it is ready
	require.NoError(t, err)
	stop()
	require.NoError(t, next(t, ended))
	require.Empty(t, run.beats)
}

func TestAProgramThatMissesItsHeartbeatIsRestarted(t *testing.T) {
	n := newNotifier()
	root := launch(t, n.Process, child.Spec{Heartbeat: 200 * time.Millisecond})
	hung := events(t, root, supervisor.EventHung)
	again := events(t, root, supervisor.EventReady)
	go func() { _ = root.Start(soon(t)) }()
	in := next(t, n.in)
	n.log.await(t, "period 200000")
	send(t, in, "READY=1")
	next(t, again)
	next(t, hung)
	send(t, next(t, n.in), "READY=1") // the restart
	next(t, again)
}

func TestWithoutAHeartbeatTheProgramIsToldNone(t *testing.T) {
	n := newNotifier()
	root := launch(t, n.Process, child.Spec{})
	go func() { _ = root.Start(soon(t)) }()
	send(t, next(t, n.in), "READY=1")
	require.True(t, strings.HasSuffix(n.log.await(t, "socket /"), "period "))
}

// The messages of a program that is stopping are still read, or it would block.
func TestAProgramThatStopsMayStillSend(t *testing.T) {
	p := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) { return player("stopper"), nil },
		Ready:   process.Ready{Notify: true},
		Logger:  quiet,
	})
	root := start(t, p, child.Spec{})
	require.NoError(t, root.Stop(soon(t)))
}

// systemd-notify waits until its message has been received: it sends a descriptor, and waits
// for somebody to close it.
func TestNotificationByAScript(t *testing.T) {
	program(t, "systemd-notify", "systemd")
	p := process.New(process.Spec{
		Command: shell("systemd-notify --ready --status='by a script' || exit; exec sleep 1000"),
		Ready:   process.Ready{Notify: true},
		Logger:  quiet,
	})
	root := start(t, p, child.Spec{})
	require.NoError(t, root.Stop(soon(t)))
}

func TestPathOfTheSocketThatIsTooLong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	require.NoError(t, os.Mkdir(dir, 0o700))
	t.Setenv("TMPDIR", dir)
	err := run(t, process.Spec{Command: shell("exit 0"), Ready: process.Ready{Notify: true}})
	require.ErrorContains(t, err, "set TMPDIR")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// play names the part that this binary plays when a test starts it as a program.
const play = "COPPICE_PROCESS_PLAY"

func TestMain(m *testing.M) {
	switch os.Getenv(play) {
	case "parent":
		playParent()
	case "notifier":
		playNotifier()
	case "stopper":
		playStopper()
	case "ignorer":
		playIgnorer()
	case "leaver":
		playLeaver()
	case "listener":
		playListener()
	default:
		goleak.VerifyTestMain(m)
	}
}

// player makes the command that starts this binary in a part.
func player(part string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), play+"="+part)
	return cmd
}

// playListener accepts connections on a unix socket.
func playListener() {
	ln, err := net.Listen("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			panic(err)
		}
		_ = conn.Close()
	}
}

var (
	errBoom = errors.New("boom")
	events  = testkit.Events
	quiet   = slog.New(slog.DiscardHandler)
)

// soon returns a context for what must happen, however busy the machine is.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// shell returns a factory of commands that run a script.
func shell(script string) func(child.Context) (*exec.Cmd, error) {
	return func(child.Context) (*exec.Cmd, error) { return exec.Command("/bin/sh", "-c", script), nil }
}

// launch makes a root with the process as its child "program", with the given spec.
func launch(t *testing.T, p *process.Process, c child.Spec) *supervisor.Supervisor {
	c.Name, c.Run = "program", p.Run
	if c.StopTimeout == 0 {
		c.StopTimeout = time.Minute // the machine may be busy
	}
	return testkit.Root(t, supervisor.Spec{Backoff: child.Constant(time.Millisecond), Children: []child.Spec{c}})
}

func start(t *testing.T, p *process.Process, c child.Spec) *supervisor.Supervisor {
	t.Helper()
	root := launch(t, p, c)
	require.NoError(t, root.Start(soon(t)))
	return root
}

// run runs a process without a supervisor until it ends.
func run(t *testing.T, spec process.Spec) error {
	t.Helper()
	if spec.Logger == nil {
		spec.Logger = quiet
	}
	ended := make(chan error, 1)
	go func() { ended <- process.New(spec).Run(child.FromContext(context.Background())) }()
	return next(t, ended)
}

// exit returns the *ExitError in err.
func exit(t *testing.T, err error) *process.ExitError {
	t.Helper()
	var e *process.ExitError
	require.ErrorAs(t, err, &e)
	return e
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	return testkit.Next(soon(t), t, c)
}

// A log is a Logger that keeps its records.
type log struct {
	mu      sync.Mutex
	changed chan struct{}
	records []slog.Record
}

func newLog() *log { return &log{changed: make(chan struct{})} }

func (l *log) logger() *slog.Logger                     { return slog.New(l) }
func (l *log) Enabled(context.Context, slog.Level) bool { return true }
func (l *log) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *log) WithGroup(string) slog.Handler            { return l }
func (l *log) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// lines returns what was logged, each line with its level.
func (l *log) lines() []string {
	all, _ := l.look()
	return all
}

func (l *log) look() (all []string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		all = append(all, r.Level.String()+" "+r.Message)
	}
	return all, l.changed
}

// await waits until a line contains text, and returns it.
func (l *log) await(t *testing.T, text string) string {
	t.Helper()
	for {
		all, changed := l.look()
		for _, line := range all {
			if strings.Contains(line, text) {
				return line
			}
		}
		select {
		case <-changed:
		case <-soon(t).Done():
			require.Fail(t, "not logged", "%q in %q", text, all)
		}
	}
}

// A mark is a pipe that a program and all that it starts have as descriptor 3. They may
// write lines to it. Its end says that all of them have ended.
type mark struct {
	read, write *os.File
	lines       *bufio.Reader
}

func newMark(t *testing.T) *mark {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, read.SetReadDeadline(time.Now().Add(2*time.Minute)))
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	return &mark{read, write, bufio.NewReader(read)}
}

// on makes a factory of commands that have the mark.
func (m *mark) on(command func(child.Context) (*exec.Cmd, error)) func(child.Context) (*exec.Cmd, error) {
	return func(ctx child.Context) (*exec.Cmd, error) {
		cmd, err := command(ctx)
		cmd.ExtraFiles = []*os.File{m.write}
		return cmd, err
	}
}

// onWithStdin makes a factory of commands that run a script and have the mark. in receives the
// stdin of each.
func (m *mark) onWithStdin(script string) (command func(child.Context) (*exec.Cmd, error), in chan io.WriteCloser) {
	in = make(chan io.WriteCloser, 1)
	return func(ctx child.Context) (*exec.Cmd, error) {
		cmd, err := m.on(shell(script))(ctx)
		if err != nil {
			return nil, err
		}
		pipe, err := cmd.StdinPipe()
		in <- pipe
		return cmd, err
	}, in
}

// said returns the next line that a program has written to the mark.
func (m *mark) said(t *testing.T) string {
	t.Helper()
	line, err := m.lines.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

// requireNobody waits until all programs with the mark have ended.
func (m *mark) requireNobody(t *testing.T) {
	t.Helper()
	_ = m.write.Close()
	_, err := io.Copy(io.Discard, m.lines)
	require.NoError(t, err, "a process is left")
}

package blackbox

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var errBoom = errors.New("boom")

// A logBuffer is a log that tests read.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// count returns the number of lines of the log that contain text.
func (b *logBuffer) count(text string) (n int) {
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

var quiet = slog.New(slog.DiscardHandler)

var idle = testkit.Idle

// A fragile child fails on demand.
type fragile struct{ fail chan error }

func newFragile() *fragile { return &fragile{fail: make(chan error)} }

func (f *fragile) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	select {
	case err := <-f.fail:
		return err
	case <-ctx.Done():
		return nil
	}
}

// shop returns a root with some children, which may fail as often as they like.
func shop(children ...child.Spec) *supervisor.Supervisor {
	return supervisor.New(supervisor.Spec{
		Name: "shop", Logger: quiet, Intensity: strategy.Unlimited(), Children: children,
	})
}

// watch is Watch, but waits for the directory for as long as it takes.
func watch(root *supervisor.Supervisor, spec Spec) (stop func()) {
	stop = Watch(root, spec)
	r, _ := watched.Load(root)
	<-r.(*recorder).opened
	return stop
}

// live runs a tree under a black box for as long as f, and returns when all is written.
func live(t *testing.T, root *supervisor.Supervisor, spec Spec, f func()) {
	t.Helper()
	stop := watch(root, spec)
	defer stop()
	require.NoError(t, root.Start(t.Context()))
	f()
	_ = root.Stop(context.Background())
}

// lives returns the lives in a directory.
func lives(t *testing.T, dir string) []Life {
	t.Helper()
	all, err := Lives(dir)
	require.NoError(t, err)
	return all
}

// printed returns what Print prints.
func printed(t *testing.T, path string, o Options) string {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, Print(&text, path, o))
	return text.String()
}

// texts returns events as their text.
func texts(events []supervisor.Event) (all []string) {
	for _, e := range events {
		all = append(all, e.Kind.String()+" "+e.Path)
	}
	return all
}

const again = "BLACKBOX_TEST_DIR"

// process returns a command that runs the same test in a process of its own. There,
// os.Getenv(again) is dir.
func process(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), again+"="+dir)
	return cmd
}

// kept returns the names of the files in a directory and below it.
func kept(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	}))
	return names
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

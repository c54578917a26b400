package sdnotify

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

const second = time.Second

var (
	quiet   = slog.New(slog.DiscardHandler)
	errAway = errors.New("connection refused")
	errDown = errors.New("no such socket")
)

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer goleak.VerifyNone(t)
	synctest.Test(t, f)
}

// A fakeSystemd stands for systemd: it keeps what it is sent, in virtual time.
type fakeSystemd struct {
	service *service

	mu    sync.Mutex
	began time.Time
	got   []received
	fail  bool
	takes time.Duration // for each message
}

type received struct {
	at   time.Duration
	line string
}

func (m *fakeSystemd) send(message string) error {
	time.Sleep(m.takes)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errDown
	}
	for line := range strings.SplitSeq(message, "\n") {
		m.got = append(m.got, received{time.Since(m.began), line})
	}
	return nil
}

func (m *fakeSystemd) setFail(fail bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

// take returns the lines that have arrived since the last call and begin with one of the
// prefixes.
func (m *fakeSystemd) take(prefixes ...string) []string {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := []string{}
	for _, r := range m.got {
		for _, prefix := range prefixes {
			if strings.HasPrefix(r.line, prefix) {
				lines = append(lines, r.line)
			}
		}
	}
	m.got = nil
	return lines
}

// watched returns a root, what watches it and a function that ends that.
func watched(t *testing.T, spec supervisor.Spec, watchdog time.Duration) (*supervisor.Supervisor, *fakeSystemd, func()) {
	t.Helper()
	if spec.Name = "shop"; spec.Logger == nil {
		spec.Logger = quiet
	}
	root := supervisor.New(spec)
	m := &fakeSystemd{began: time.Now()}
	m.service = &service{send: m.send, watchdog: watchdog}
	stop := watch(root, m.service)
	t.Cleanup(func() {
		_ = root.Stop(context.Background())
		stop()
	})
	synctest.Wait() // until the first message was sent
	return root, m, stop
}

var idle = testkit.Idle

// slow is a child that takes a while to start and to stop.
func slow(start, stop time.Duration) func(child.Context) error {
	return (&supervisortest.Child{ReadyAfter: start, StopAfter: stop}).Run
}

func serve(t *testing.T, root *supervisor.Supervisor) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- root.Serve(context.Background()) }()
	synctest.Wait()
	return ended
}

func requireLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	require.Equal(t, append([]string{}, want...), got)
}

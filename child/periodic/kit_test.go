package periodic_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBoom = errors.New("boom")
	bg      = context.Background()
	bubble  = synctest.Test
)

// start starts a job as the child /shop/sweep, which is restarted a second after a failure.
func start(t *testing.T, spec periodic.Spec) (*periodic.Job, *supervisor.Supervisor) {
	t.Helper()
	j := periodic.New(spec)
	root := testkit.Root(t, supervisor.Spec{
		Name: "shop", Backoff: child.Constant(time.Second), Children: []child.Spec{{Name: "sweep", Run: j.Run}},
	})
	require.NoError(t, root.Start(bg))
	return j, root
}

// A diary notes when calls begin, since it was made.
type diary struct {
	began time.Time
	mu    sync.Mutex
	calls []time.Duration
}

func newDiary() *diary { return &diary{began: time.Now()} }

func (d *diary) note() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, time.Since(d.began))
}

// take returns the calls since the last take.
func (d *diary) take() []time.Duration {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.calls = nil }()
	return d.calls
}

func (d *diary) requireCalls(t *testing.T, want ...time.Duration) {
	t.Helper()
	require.Equal(t, want, d.take())
}

func text(root *supervisor.Supervisor) string {
	synctest.Wait()
	st, _ := root.Lookup("sweep")
	return st.Text
}

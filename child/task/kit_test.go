package task_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBoom = errors.New("boom")
	bg      = context.Background()
	bubble  = synctest.Test
)

// pool starts a pool as the child /shop/fetches.
func pool(t *testing.T, spec task.Spec) (*task.Pool, *supervisor.Supervisor) {
	t.Helper()
	p := task.New(spec)
	root := testkit.Root(t, supervisor.Spec{
		Name: "shop", Backoff: child.Constant(time.Minute), Children: []child.Spec{{Name: "fetches", Run: p.Run}},
	})
	require.NoError(t, root.Start(bg))
	return p, root
}

// numbers yields 0, 1, … up to n-1; without end if n is negative. pulled counts them.
func numbers(n int, pulled *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i != n; i++ {
			if pulled != nil {
				*pulled++
			}
			if !yield(i) {
				return
			}
		}
	}
}

// until waits for the end of its context and returns its error.
func until(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

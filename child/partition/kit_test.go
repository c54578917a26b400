package partition_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/partition"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBoom = errors.New("boom")
	quiet   = slog.New(slog.DiscardHandler)
	bg      = context.Background()
	bubble  = synctest.Test
)

// A value says which run of which child offers it.
type value struct{ index, run int }

// A set is owners whose children offer values and fail on request.
type set struct {
	*partition.Owners[value]
	root  *supervisor.Supervisor
	runs  [20]atomic.Int64
	fail  [20]chan error
	start [20]atomic.Bool // it fails to start
	log   chan string     // of starts and ends
}

// newSet starts owners as the child "set" of a root.
func newSet(t *testing.T, n int, of supervisor.Spec) *set {
	t.Helper()
	s := prepare(t, n, of)
	require.NoError(t, s.root.Start(context.Background()))
	return s
}

func prepare(t *testing.T, n int, of supervisor.Spec) *set {
	s := &set{log: make(chan string, 1000)}
	for i := range s.fail {
		s.fail[i] = make(chan error)
	}
	s.Owners = partition.New(partition.Spec[value]{N: n, Supervisor: of, Child: s.child})
	s.root = testkit.Root(t, supervisor.Spec{Backoff: child.Constant(time.Hour), Children: []child.Spec{{Name: "set", Run: s.Run}}})
	return s
}

func (s *set) child(i int, offer *child.Ref[value]) child.Spec {
	return child.Spec{Name: fmt.Sprint("p", i), Run: func(ctx child.Context) error {
		if s.start[i].Load() {
			return errBoom
		}
		s.log <- fmt.Sprint("+", i)
		defer func() { s.log <- fmt.Sprint("-", i) }()
		offer.Set(ctx, value{i, int(s.runs[i].Add(1))})
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.fail[i]:
			return err
		}
	}}
}

// logged returns what was logged since the last call.
func (s *set) logged() string {
	synctest.Wait()
	var all []string
	for {
		select {
		case line := <-s.log:
			all = append(all, line)
		default:
			return strings.Join(all, " ")
		}
	}
}

// keyOf returns a key that the child with the index owns, among n.
func (s *set) keyOf(t *testing.T, index int) string {
	t.Helper()
	for i := range 100_000 {
		if key := fmt.Sprint("key-", i); s.Index(key) == index {
			return key
		}
	}
	require.Fail(t, "no key")
	return ""
}

func requireAllKeysServed(t *testing.T, s *set) {
	t.Helper()
	for i := range 200 {
		key := fmt.Sprint("key-", i)
		v, err := s.For(context.Background(), key)
		require.NoError(t, err)
		require.Equal(t, s.Index(key), v.index)
	}
}

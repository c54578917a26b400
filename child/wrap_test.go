package child_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

var errStop = errors.New("stop")

// steps is a detached Context that records the steps of a run: the calls of Ready, and
// what the test adds.
type steps struct {
	child.Context
	done []string
}

func newSteps(ctx context.Context) *steps { return &steps{Context: child.FromContext(ctx)} }

func (s *steps) Ready() error {
	s.done = append(s.done, "ready")
	return s.Context.Ready()
}

// work returns a function that records its call and returns err.
func (s *steps) work(err error) func(context.Context) error {
	return func(context.Context) error {
		s.done = append(s.done, "work")
		return err
	}
}

// ended is a context that has ended because of errStop.
func ended() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errStop)
	return ctx
}

func TestPlainAndTaskOfNilAreNil(t *testing.T) {
	require.Nil(t, child.Plain(nil))
	require.Nil(t, child.Task(nil))
}

func TestPlainIsReadyAtOnce(t *testing.T) {
	for _, want := range []error{nil, errors.New("no connection")} {
		s := newSteps(context.Background())
		require.Equal(t, want, child.Plain(s.work(want))(s))
		require.Equal(t, []string{"ready", "work"}, s.done)
	}
}

func TestPlainThatIsStoppedDoesNotCallItsFunction(t *testing.T) {
	s := newSteps(ended())
	require.Equal(t, errStop, child.Plain(s.work(nil))(s))
	require.Equal(t, []string{"ready"}, s.done)
}

func TestTaskIsReadyWhenItIsDone(t *testing.T) {
	s := newSteps(context.Background())
	require.Equal(t, child.ErrDone, child.Task(s.work(nil))(s))
	require.Equal(t, []string{"work", "ready"}, s.done)
}

func TestTaskThatFailsIsNeverReady(t *testing.T) {
	want := errors.New("no such table")
	s := newSteps(context.Background())
	require.Equal(t, want, child.Task(s.work(want))(s))
	require.Equal(t, []string{"work"}, s.done)
}

func TestTaskThatIsStoppedIsNotDone(t *testing.T) {
	s := newSteps(ended())
	require.Equal(t, errStop, child.Task(s.work(nil))(s))
	require.Equal(t, []string{"work", "ready"}, s.done)
}

func TestPlainAndTaskPassTheirContextOn(t *testing.T) {
	for _, wrap := range []func(func(context.Context) error) func(child.Context) error{child.Plain, child.Task} {
		s := newSteps(context.Background())
		var got child.Context
		_ = wrap(func(ctx context.Context) error {
			got = child.FromContext(ctx)
			return nil
		})(s)
		require.Same(t, s, got)
	}
}

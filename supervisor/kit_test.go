package supervisor_test

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
	"github.com/coppice-go/coppice/supervisor"
)

var errBoom = errors.New("boom")

// quiet is a logger for tests that are not about the log.
var quiet = slog.New(slog.DiscardHandler)

// bubble runs f in virtual time, and checks that nothing is left of it: the
// bubble itself does not end before all its goroutines have.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer goleak.VerifyNone(t)
	synctest.Test(t, f)
}

// start starts a root in a bubble, silent unless the spec has a logger, and
// stops it when the test ends.
func start(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	if spec.Logger == nil {
		spec.Logger = quiet
	}
	sup := supervisor.New(spec)
	require.NoError(t, sup.Start(t.Context()))
	t.Cleanup(func() { _ = sup.Stop(context.Background()) })
	return sup
}

// A recorder keeps what its supervisor tells, from record on.
type recorder struct {
	mu     sync.Mutex
	events []supervisor.Event
}

// record subscribes to the events of the given kinds, of all if none is given.
func record(t *testing.T, sup *supervisor.Supervisor, kinds ...supervisor.EventKind) *recorder {
	r := new(recorder)
	t.Cleanup(sup.Subscribe(func(e supervisor.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	}, kinds...))
	return r
}

// take returns the events since the last take, when the bubble has come to rest.
func (r *recorder) take() []supervisor.Event {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// lines returns the same as text, such as "ready a", without the path of the root.
func (r *recorder) lines() []string {
	lines := []string{}
	for _, e := range r.take() {
		_, name, _ := strings.Cut(e.Path[1:], "/")
		lines = append(lines, strings.TrimSpace(e.Kind.String()+" "+name))
	}
	return lines
}

// A puppet is a child that is ready at once and ends as the test says, or when
// it is stopped.
type puppet struct{ strings chan func() error }

func newPuppet() *puppet { return &puppet{make(chan func() error)} }

func (p *puppet) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case end := <-p.strings:
		return end()
	}
}

// end lets the run return err, and waits until all that follows at once is done.
func (p *puppet) end(err error) { p.endBy(func() error { return err }) }

// endBy lets the run end by f, which may panic.
func (p *puppet) endBy(f func() error) {
	p.strings <- f
	synctest.Wait()
}

// state returns the state of a child, for a test to compare.
func state(t *testing.T, sup *supervisor.Supervisor, path string) child.State {
	t.Helper()
	st, ok := sup.Lookup(path)
	require.True(t, ok, "no child %s", path)
	return st.State
}

// newRoot makes a root that is silent unless the spec has a logger.
func newRoot(spec supervisor.Spec) *supervisor.Supervisor {
	if spec.Logger == nil {
		spec.Logger = quiet
	}
	return supervisor.New(spec)
}

// slow returns a Run that is ready after up, and takes down to return when it
// is stopped.
func slow(up, down time.Duration) func(child.Context) error {
	return func(ctx child.Context) error {
		if child.Sleep(ctx, up) {
			return context.Cause(ctx)
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		time.Sleep(down)
		return nil
	}
}

// stay returns a Run that is ready at once, and returns when release is closed,
// not when it is stopped.
func stay(release <-chan struct{}) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-release
		return nil
	}
}

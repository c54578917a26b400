package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

var errBoom = errors.New("boom")

// quiet is a logger for tests that are not about the log.
var quiet = slog.New(slog.DiscardHandler)

// bubble runs f in virtual time, and checks that it leaks nothing: the
// bubble itself does not end before all its goroutines have.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer goleak.VerifyNone(t)
	synctest.Test(t, f)
}

var allStrategies = []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Independent, strategy.Graph}

// underEach runs a test in a bubble for each strategy.
func underEach(t *testing.T, f func(t *testing.T, s strategy.Strategy)) {
	for _, s := range allStrategies {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, s) })
		})
	}
}

// start starts a root, silent unless the spec has a logger, and stops it when the
// test ends. No run may be abandoned then.
var start = supervisortest.Start

// startLoosely is start for tests of abandoned runs.
func startLoosely(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	sup := newRoot(spec)
	require.NoError(t, sup.Start(t.Context()))
	t.Cleanup(func() { _ = sup.Stop(context.Background()) })
	return sup
}

// A recorder keeps the events of its supervisor, from record on.
type recorder struct {
	*supervisortest.Recorder
	kinds []supervisor.EventKind
	taken int
}

// record subscribes to the events of the given kinds. If none is given, it leaves out those
// of supervisors themselves.
func record(t *testing.T, sup *supervisor.Supervisor, kinds ...supervisor.EventKind) *recorder {
	r := &recorder{Recorder: supervisortest.Record(t, sup), kinds: kinds}
	r.take()
	return r
}

// everyKind returns all kinds of events.
func everyKind() (all []supervisor.EventKind) {
	for kind := supervisor.EventStarting; kind <= supervisor.EventOver; kind++ {
		all = append(all, kind)
	}
	return all
}

// take returns the events since the last take, once every goroutine of the bubble waits.
func (r *recorder) take() (events []supervisor.Event) {
	synctest.Wait()
	all := r.Events()
	for _, e := range all[r.taken:] {
		if len(r.kinds) == 0 && e.Kind < supervisor.EventUp || slices.Contains(r.kinds, e.Kind) {
			events = append(events, e)
		}
	}
	r.taken = len(all)
	return events
}

// lines returns the same as text, for example "ready a", without the path of the root.
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
type puppet struct{ supervisortest.Child }

func newPuppet() *puppet { return new(puppet) }

func (p *puppet) Run(ctx child.Context) error {
	err := p.Child.Run(ctx)
	if end, ok := err.(endingBy); ok {
		return end()
	}
	return err
}

// startKeepingContext starts a child a that p ends, and returns the context of its first
// run, for calls that come late.
func startKeepingContext(t *testing.T, p *puppet) (sup *supervisor.Supervisor, first child.Context) {
	sup = start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		if first == nil {
			first = ctx
		}
		return p.Run(ctx)
	}}}})
	return sup, first
}

// endingBy is the end of a puppet by a function.
type endingBy func() error

func (endingBy) Error() string { return "by a function" }

// end lets the run return err, and waits until every goroutine of the bubble waits again.
func (p *puppet) end(err error) {
	synctest.Wait()
	p.End(crashing{}, err)
	synctest.Wait()
}

// endBy lets the run end by f, which may panic.
func (p *puppet) endBy(f func() error) { p.end(endingBy(f)) }

// crashing is the t of code that has none.
type crashing struct{ testing.TB }

func (crashing) Helper() {}

func (crashing) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

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
	return (&supervisortest.Child{ReadyAfter: up, StopAfter: down}).Run
}

// unclean returns path and error of the runs of a StopError that returned an error while
// they were being stopped; no run was abandoned.
func unclean(t *testing.T, err error) (all []string) {
	t.Helper()
	var stop *supervisor.StopError
	require.ErrorAs(t, err, &stop)
	require.Empty(t, stop.Abandoned)
	for _, end := range stop.Unclean {
		all = append(all, end.Error())
	}
	return all
}

// concurrent reports whether children that have nothing to do with each other start and
// stop concurrently.
func concurrent(s strategy.Strategy) bool {
	return s == strategy.Independent || s == strategy.Graph
}

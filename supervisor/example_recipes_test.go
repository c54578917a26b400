package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// Functions that the pages in docs/ show. docs_test.go compares the texts.

// onEnd returns an Around that calls f once for each Run, when that has returned.
func onEnd(f func(path string, err error)) func(child.Context, func(child.Context) error) error {
	return func(ctx child.Context, run func(child.Context) error) (err error) {
		defer func() { f(ctx.Path(), err) }() // deferred: a panic ends a run too, with a nil err here
		return run(ctx)
	}
}

// group runs the tasks concurrently. It returns nil if all returned nil, else the first error,
// or why ctx ended if that cut them off.
func group(ctx context.Context, tasks map[string]func(context.Context) error) error {
	if len(tasks) == 0 {
		return nil // a supervisor without children would run until ctx ends
	}
	var succeeded atomic.Int64
	spec := supervisor.Spec{
		Strategy:     strategy.Independent, // concurrently
		Intensity:    strategy.AtMost(0, time.Second),
		AutoShutdown: strategy.AllSignificant,
		Around: func(ctx child.Context, run func(child.Context) error) error {
			err := run(ctx)
			if err == nil {
				succeeded.Add(1)
			}
			return err
		},
	}
	for name, task := range tasks {
		spec.Children = append(spec.Children, child.Spec{
			Name: name, Run: child.Plain(task), Restart: child.Transient, Significant: true,
		})
	}
	err := supervisor.New(spec).Serve(ctx)
	if err == nil && succeeded.Load() < int64(len(tasks)) {
		return context.Cause(ctx)
	}
	return err // a *GaveUpError that wraps the first error, or nil
}

// endsOfARun are the ways in which a run ends, as the events of one child that is never
// restarted, from its start on. A run is over with the first of completed, failed, stopped
// and abandoned.
var endsOfARun = map[string]struct {
	spec     child.Spec // without a Run: one that does not stop in time
	removed  bool
	recorded []string
}{
	"nil":                    {child.Spec{Run: ends(0, nil)}, false, []string{"completed s"}},
	"an error":               {child.Spec{Run: ends(0, errBoom)}, false, []string{"failed s"}},
	"an error before Ready":  {child.Spec{Run: func(child.Context) error { return errBoom }}, false, []string{"failed s"}},
	"nil before Ready":       {child.Spec{Run: func(child.Context) error { return nil }}, false, []string{"completed s"}},
	"declined":               {child.Spec{Run: func(child.Context) error { return child.ErrIgnore }}, false, []string{"completed s"}},
	"a panic":                {child.Spec{Run: func(child.Context) error { panic("boom") }}, false, []string{"failed s"}},
	"Goexit":                 {child.Spec{Run: func(child.Context) error { return goexit() }}, false, []string{"failed s"}},
	"stopped":                {child.Spec{Run: idle}, true, []string{"stopped s"}},
	"stopped, with an error": {child.Spec{Run: failsWhenStopped}, true, []string{"stopped s"}},
	"start timeout":          {child.Spec{Run: slow(time.Hour, 0), StartTimeout: time.Second}, false, []string{"stopped s", "failed s"}},
	"no heartbeat":           {child.Spec{Run: idle, Heartbeat: time.Second}, false, []string{"stopped s", "failed s"}},
	"abandoned":              {child.Spec{StopTimeout: time.Second}, true, []string{"abandoned s", "late-exit s"}},
	"abandoned at once":      {child.Spec{StopTimeout: child.AtOnce}, true, []string{"abandoned s", "late-exit s"}},
	"hung and abandoned":     {child.Spec{StopTimeout: time.Second, Heartbeat: time.Second}, false, []string{"abandoned s", "failed s", "late-exit s"}},
}

// failsWhenStopped is a Run that cannot clean up.
func failsWhenStopped(ctx child.Context) error { return errors.Join(idle(ctx), errBoom) }

// Checks the table of docs/from-go-service.md, and that onEnd does not depend on it.
func TestEachEndOfARunIsReportedAsTheTableSaysAndOnEndSeesItOnce(t *testing.T) {
	for name, c := range endsOfARun {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var ended []string
				sup := startLoosely(t, supervisor.Spec{
					Strategy: strategy.Independent,
					Around:   onEnd(func(path string, err error) { ended = append(ended, fmt.Sprint(path, " ", err)) }),
				})
				starts := record(t, sup, supervisor.EventStarting)
				recorded := record(t, sup, supervisor.EventCompleted, supervisor.EventFailed, supervisor.EventStopped,
					supervisor.EventAbandoned, supervisor.EventLateExit)
				deaf := &supervisortest.Child{StopAfter: child.Forever}
				spec := c.spec
				spec.Name, spec.Restart = "s", child.Temporary
				if spec.Run == nil {
					spec.Run = deaf.Run
				}
				_ = sup.StartChild(t.Context(), spec)
				if c.removed {
					_ = sup.RemoveChild(t.Context(), "s")
				}
				time.Sleep(time.Minute)
				deaf.Release()
				require.Equal(t, c.recorded, recorded.lines())
				require.Len(t, starts.take(), 1)
				require.Len(t, ended, 1, "%v", ended)
			})
		})
	}
}

// The same with restarts of a whole group.
func TestOnEndSeesAsManyEndsAsThereAreStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var begun, ended atomic.Int64
		sup := newRoot(supervisor.Spec{
			Strategy:  strategy.OneForAll,
			Intensity: strategy.AtMost(20, time.Hour),
			Around:    onEnd(func(string, error) { ended.Add(1) }),
			Children: []child.Spec{
				{Name: "a", Run: idle},
				{Name: "fails", Run: ends(time.Second, errBoom)},
				{Name: "hangs", Run: idle, Heartbeat: 3 * time.Second},
			},
		})
		defer sup.Subscribe(func(supervisor.Event) { begun.Add(1) }, supervisor.EventStarting)()
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, sup.Serve(t.Context()), &gaveUp)
		require.EqualValues(t, 3*21, begun.Load())
		require.Equal(t, begun.Load(), ended.Load())
	})
}

func TestGroupReturnsAsErrgroupDoes(t *testing.T) {
	type tasks = map[string]func(context.Context) error
	takes := func(d time.Duration, err error) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-time.After(d):
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	cleansUp := func(ctx context.Context) error {
		<-ctx.Done()
		return errBoom
	}
	late := errors.New("late")
	for name, c := range map[string]struct {
		tasks tasks
		is    error
		after time.Duration
	}{
		"no task":                              {tasks{}, nil, 0},
		"all succeed":                          {tasks{"a": takes(1, nil), "b": takes(2, nil)}, nil, 2},
		"the first error":                      {tasks{"a": takes(1, errBoom), "b": takes(2, late)}, errBoom, 1},
		"its context ends":                     {tasks{"a": takes(time.Hour, nil), "b": takes(1, nil)}, context.DeadlineExceeded, time.Second},
		"its context ends, and all return nil": {tasks{"a": func(ctx context.Context) error { <-ctx.Done(); return nil }}, nil, time.Second},
		"its context ends, and one cannot clean up": {tasks{"a": cleansUp}, errBoom, time.Second},
		"they are done as its context ends":         {tasks{"a": func(context.Context) error { time.Sleep(time.Second); return nil }}, nil, time.Second},
		"a panic":                                   {tasks{"a": func(context.Context) error { panic(errBoom) }}, errBoom, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				defaultLog(t, slog.DiscardHandler)
				began := time.Now()
				err := group(within(t, time.Second), c.tasks)
				if c.is == nil {
					require.NoError(t, err)
				}
				require.ErrorIs(t, err, c.is)
				require.Equal(t, c.after, time.Since(began))
			})
		})
	}
}

func TestGroupWhoseContextHasEndedReturnsWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		defaultLog(t, slog.DiscardHandler)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBoom)
		err := group(ctx, map[string]func(context.Context) error{"a": func(context.Context) error { return nil }})
		require.ErrorIs(t, err, errBoom)
	})
}

// This is why group handles an empty map separately.
func TestAutoShutdownOfASupervisorWithoutChildrenNeverComes(t *testing.T) {
	for _, auto := range []strategy.AutoShutdown{strategy.AnySignificant, strategy.AllSignificant} {
		bubble(t, func(t *testing.T) {
			sup := start(t, supervisor.Spec{Strategy: strategy.Independent, AutoShutdown: auto})
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Equal(t, child.Running, sup.Tree().State)
		})
	}
}

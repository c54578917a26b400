package coppiceotel_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// label is an Around that derives a context of its own.
func label(ctx child.Context, run func(child.Context) error) (err error) {
	pprof.Do(ctx, pprof.Labels("child", ctx.Path()), func(ctx context.Context) { err = run(child.FromContext(ctx)) })
	return err
}

func TestSpansOfAChildAreBelowItsStartUntilItIsReady(t *testing.T) {
	for name, arounds := range map[string]func(r *rig) func(child.Context, func(child.Context) error) error{
		"alone": func(r *rig) func(child.Context, func(child.Context) error) error { return r.Around },
		"innermost": func(r *rig) func(child.Context, func(child.Context) error) error {
			return supervisor.Arounds(label, r.Around)
		},
		"outermost": func(r *rig) func(child.Context, func(child.Context) error) error {
			return supervisor.Arounds(r.Around, label)
		},
		"twice": func(r *rig) func(child.Context, func(child.Context) error) error {
			return supervisor.Arounds(r.Around, r.Around)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(coppiceotel.Spec{})
				span := func(ctx context.Context, name string) {
					_, span := r.tracer.Start(ctx, name, trace.WithLinks(coppiceotel.Link(ctx)))
					span.End()
				}
				db := func(ctx child.Context) error {
					span(ctx, "dial")
					if err := ctx.Ready(); err != nil {
						return err
					}
					time.Sleep(time.Second) // the event has arrived, which is needed if another Around is inside
					span(ctx, "poll")
					<-ctx.Done()
					span(ctx, "flush")
					span(ctx.Grace(), "close")
					return nil
				}
				root := r.start(t, supervisor.Spec{Around: arounds(r), Children: []child.Spec{{Name: "db", Run: db}}})
				synctest.Wait()
				require.NoError(t, root.Stop(bg))
				start := r.one(t, "coppice.child.start", "/shop/db")
				dial, poll, flush := r.ended("dial")[0], r.ended("poll")[0], r.ended("flush")[0]
				require.True(t, isBelow(dial, start))
				for _, later := range []sdktrace.ReadOnlySpan{poll, flush, r.ended("close")[0]} {
					require.False(t, later.Parent().IsValid(), later.Name())
				}
				require.True(t, linksTo(poll, start))
				require.True(t, linksTo(flush, start))
				require.Len(t, r.ended("coppice.child.start"), 1)
			})
		})
	}
}

func TestASpanOfTheRootsContextIsUsedWhileItIsRecording(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		poll := make(chan struct{})
		db := func(ctx child.Context) error {
			_ = ctx.Ready()
			for {
				select {
				case <-poll:
					_, span := r.tracer.Start(ctx, "poll")
					span.End()
				case <-ctx.Done():
					return nil
				}
			}
		}
		nested := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db}}})
		root := r.watch(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{{Name: "nested", Run: nested.Run}}})
		ctx, boot := r.tracer.Start(t.Context(), "boot")
		require.NoError(t, root.Start(ctx))
		poll <- struct{}{}
		synctest.Wait()
		boot.End()
		poll <- struct{}{}
		synctest.Wait()
		require.NoError(t, root.RestartChild(bg, "nested/db"))
		synctest.Wait()

		polls, booted := r.ended("poll"), r.ended("boot")[0]
		require.True(t, isBelow(polls[0], booted))
		require.False(t, polls[1].Parent().IsValid(), "a span that has ended is no parent")
		require.True(t, isBelow(r.ended("coppice.tree.start")[0], booted))
		starts := r.ended("coppice.child.start")
		require.Len(t, starts, 3)
		require.Equal(t, booted.SpanContext().TraceID(), starts[0].SpanContext().TraceID())
		require.NotEqual(t, booted.SpanContext().TraceID(), starts[2].SpanContext().TraceID())
		require.NoError(t, root.Stop(bg))
	})
}

func TestAroundKeepsEverythingElseOfTheContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		type key struct{}
		member, err := baggage.NewMember("tenant", "acme")
		require.NoError(t, err)
		bag, err := baggage.New(member)
		require.NoError(t, err)
		db := func(ctx child.Context) error {
			require.Equal(t, "/shop/db", ctx.Path())
			require.Equal(t, "value", ctx.Value(key{}))
			require.Equal(t, "acme", baggage.FromContext(ctx).Member("tenant").Value())
			sup, ok := supervisor.FromContext(ctx)
			require.True(t, ok)
			require.Equal(t, "/shop", sup.Path())
			derived, cancel := context.WithCancel(ctx)
			cancel()
			require.Error(t, derived.Err())
			require.NoError(t, child.FromContext(derived).Ready())
			ctx.Status("hello")
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), child.ErrStopped)
			return nil
		}
		root := r.watch(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{{Name: "db", Run: db}}})
		require.NoError(t, root.Start(baggage.ContextWithBaggage(context.WithValue(t.Context(), key{}, "value"), bag)))
		st, _ := root.Lookup("db")
		require.Equal(t, "hello", st.Text)
		require.NoError(t, root.Stop(bg))
	})
}

func TestAroundDoesNothingWithoutAWatchOrATracer(t *testing.T) {
	same := func(t *testing.T, around func(child.Context, func(child.Context) error) error, watch func(*supervisor.Supervisor)) {
		t.Helper()
		var seen child.Context
		outer := func(ctx child.Context, run func(child.Context) error) error {
			seen = ctx
			return run(ctx)
		}
		db := func(ctx child.Context) error {
			require.Equal(t, seen, ctx)
			require.Equal(t, trace.Link{}, coppiceotel.Link(ctx))
			return idle(ctx)
		}
		root := supervisor.New(supervisor.Spec{Logger: quiet, Around: supervisor.Arounds(outer, around), Children: []child.Spec{{Name: "db", Run: db}}})
		watch(root)
		require.NoError(t, root.Start(bg))
		require.NoError(t, root.Stop(bg))
	}
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		same(t, r.Around, func(*supervisor.Supervisor) {})
		off := coppiceotel.New(coppiceotel.Spec{TracerProvider: tracenoop.NewTracerProvider()})
		same(t, off.Around, func(root *supervisor.Supervisor) { t.Cleanup(off.Watch(root)) })
		var zero coppiceotel.Telemetry
		same(t, zero.Around, func(*supervisor.Supervisor) {})
		var none context.Context
		require.Equal(t, trace.Link{}, coppiceotel.Link(none))
		require.Empty(t, r.spans.Started())
	})
}

func TestAroundOutsideOfASupervisorOnlyRuns(t *testing.T) {
	r := newRig(coppiceotel.Spec{})
	require.ErrorIs(t, r.Around(child.FromContext(t.Context()), func(child.Context) error { return errBoom }), errBoom)
	require.Empty(t, r.spans.Started())
}

func TestAChildUnderAroundKeepsItsContract(t *testing.T) {
	r := newRig(coppiceotel.Spec{})
	supervisortest.Check(t, func() child.Runnable {
		return runnable(func(ctx child.Context) error { return r.Around(ctx, idle) })
	})
}

type runnable func(child.Context) error

func (r runnable) Run(ctx child.Context) error { return r(ctx) }

func TestTreesDoNotMix(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		for _, name := range []string{"shop", "mail"} {
			r.start(t, supervisor.Spec{Name: name, Around: r.Around, Children: []child.Spec{{Name: "db", Run: slow(time.Second, 0)}}})
		}
		synctest.Wait()
		starts := r.ended("coppice.child.start")
		require.Len(t, starts, 2)
		require.Equal(t, "shop", attr(starts[0], "coppice.tree"))
		require.Equal(t, "mail", attr(starts[1], "coppice.tree"))
		require.NotEqual(t, starts[0].SpanContext().TraceID(), starts[1].SpanContext().TraceID())
		found := r.series(t)
		require.Equal(t, 1., found["coppice.tree.ready{}"])
		require.Equal(t, 1., found["coppice.tree.ready{coppice.tree=mail}"])
		require.True(t, strings.Contains(strings.Join(r.logs.story(), "\n"), "/mail"))
	})
}

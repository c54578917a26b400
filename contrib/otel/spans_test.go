package coppiceotel_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// withAndWithoutAround runs a test of what is the same in both cases.
func withAndWithoutAround(t *testing.T, f func(t *testing.T, r *rig, around func(child.Context, func(child.Context) error) error)) {
	t.Run("with Around", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(coppiceotel.Spec{})
			f(t, r, r.Around)
		})
	})
	t.Run("without", func(t *testing.T) {
		bubble(t, func(t *testing.T) { f(t, newRig(coppiceotel.Spec{}), nil) })
	})
}

// slow returns a child that needs some time to start and to stop.
func slow(start, stop time.Duration) func(child.Context) error {
	return (&supervisortest.Child{ReadyAfter: start, StopAfter: stop}).Run
}

func TestStartsAndStopsAreSpansAndARunIsNot(t *testing.T) {
	withAndWithoutAround(t, func(t *testing.T, r *rig, around func(child.Context, func(child.Context) error) error) {
		root := r.start(t, supervisor.Spec{Around: around, Children: []child.Spec{
			{Name: "db", Run: slow(time.Second, 2*time.Second)},
			{Name: "api", Run: slow(3*time.Second, time.Second)},
		}})
		time.Sleep(time.Hour)
		require.NoError(t, root.Stop(bg))

		db, api := r.one(t, "coppice.child.start", "/shop/db"), r.one(t, "coppice.child.start", "/shop/api")
		require.Equal(t, time.Second, took(db))
		require.Equal(t, 3*time.Second, took(api))
		require.Equal(t, codes.Unset, db.Status().Code)
		require.Equal(t, "shop", attr(db, "coppice.tree"))
		require.Equal(t, "boot", attr(db, "coppice.reason"))
		require.NotEmpty(t, attr(db, "coppice.run"))

		stopDB, stopAPI := r.one(t, "coppice.child.stop", "/shop/db"), r.one(t, "coppice.child.stop", "/shop/api")
		require.Equal(t, 2*time.Second, took(stopDB))
		require.Equal(t, time.Second, took(stopAPI))
		require.True(t, linksTo(stopDB, db))
		require.Equal(t, codes.Unset, stopDB.Status().Code)
		require.Equal(t, "stopped", attr(stopDB, "coppice.cause"))

		stop := r.one(t, "coppice.supervisor.stop", "/shop")
		require.Equal(t, 3*time.Second, took(stop))
		require.True(t, isBelow(stopDB, stop))
		require.True(t, isBelow(stopAPI, stop))
		for _, span := range r.spans.Ended() {
			require.Less(t, took(span), time.Minute, span.Name())
		}
		require.Len(t, r.spans.Started(), len(r.spans.Ended()))
		if around != nil {
			start := r.ended("coppice.tree.start")[0]
			require.Equal(t, 4*time.Second, took(start))
			require.True(t, isBelow(db, start))
			require.True(t, isBelow(api, start))
		}
	})
}

func TestARestartLinksToTheFailureThatLedToIt(t *testing.T) {
	withAndWithoutAround(t, func(t *testing.T, r *rig, around func(child.Context, func(child.Context) error) error) {
		fail := make(chan any)
		r.start(t, supervisor.Spec{Around: around, Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "db", Run: failing(fail)}, {Name: "api", Run: idle},
		}})
		synctest.Wait()
		time.Sleep(time.Minute)
		first := r.one(t, "coppice.child.start", "/shop/db")
		fail <- errBoom
		synctest.Wait()

		failure := r.one(t, "coppice.child.failure", "/shop/db")
		require.Zero(t, took(failure))
		require.Equal(t, codes.Error, failure.Status().Code)
		require.Equal(t, "boom", failure.Status().Description)
		require.Equal(t, "error", attr(failure, "error.type"))
		require.True(t, linksTo(failure, first))
		stop := r.one(t, "coppice.child.stop", "/shop/api")
		require.True(t, linksTo(stop, failure))
		require.Equal(t, "group", attr(stop, "coppice.reason"))
		require.Equal(t, "/shop/db", attr(stop, "coppice.by"))
		starts := r.ended("coppice.child.start")
		require.Len(t, starts, 4)
		for _, start := range starts[2:] {
			require.True(t, linksTo(start, failure), "%v", start.Attributes())
			require.False(t, start.Parent().IsValid(), "a trace of its own")
		}
		require.Equal(t, "1", attr(starts[2], "coppice.child.restarts"))
	})
}

func TestAFailedStartAndAPanicAreRecorded(t *testing.T) {
	withAndWithoutAround(t, func(t *testing.T, r *rig, around func(child.Context, func(child.Context) error) error) {
		fail := make(chan any)
		tries := 0
		flaky := func(ctx child.Context) error {
			if tries++; tries == 1 {
				time.Sleep(time.Second)
				return errors.New("no route to host")
			}
			return failing(fail)(ctx)
		}
		r.start(t, supervisor.Spec{Around: around, Backoff: child.Constant(time.Second), Children: []child.Spec{
			{Name: "db", Run: flaky, RetryStart: true},
		}})
		fail <- "no such row"
		synctest.Wait()

		starts := r.ended("coppice.child.start")
		require.Len(t, starts, 2)
		require.Equal(t, time.Second, took(starts[0]))
		require.Equal(t, codes.Error, starts[0].Status().Code)
		require.Equal(t, "no route to host", starts[0].Status().Description)
		require.True(t, linksTo(starts[1], starts[0]))
		require.Equal(t, codes.Unset, starts[1].Status().Code)

		failure := r.one(t, "coppice.child.failure", "/shop/db")
		require.Equal(t, "panic: no such row", failure.Status().Description)
		require.Equal(t, "panic", attr(failure, "error.type"))
		require.Len(t, failure.Events(), 1)
		event := failure.Events()[0]
		require.Equal(t, "exception", event.Name)
		texts := make(map[string]string)
		for _, kv := range event.Attributes {
			texts[string(kv.Key)] = kv.Value.String()
		}
		require.Equal(t, "*child.PanicError", texts["exception.type"])
		require.Equal(t, "panic: no such row", texts["exception.message"])
		require.Contains(t, texts["exception.stacktrace"], "failing.1")
	})
}

func TestTheStopsOfANestedSupervisorAreBelowThatOfItsChild(t *testing.T) {
	withAndWithoutAround(t, func(t *testing.T, r *rig, around func(child.Context, func(child.Context) error) error) {
		jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: idle}}})
		root := r.start(t, supervisor.Spec{Around: around, Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
		require.NoError(t, root.StopChild(t.Context(), "jobs"))
		synctest.Wait()
		stop := r.one(t, "coppice.child.stop", "/shop/jobs")
		require.False(t, stop.Parent().IsValid())
		require.Equal(t, "stop-child", attr(stop, "coppice.reason"))
		require.True(t, isBelow(r.one(t, "coppice.child.stop", "/shop/jobs/mail"), stop))
		if around != nil {
			require.True(t, isBelow(r.one(t, "coppice.child.start", "/shop/jobs/mail"), r.one(t, "coppice.child.start", "/shop/jobs")))
		}
	})
}

func TestGivingUpIsASpanBetweenTheFailureAndTheStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		fail := make(chan any)
		jobs := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Minute), Children: []child.Spec{
			{Name: "feed", Run: idle}, {Name: "mail", Run: failing(fail)},
		}})
		r.start(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
		fail <- errBoom
		synctest.Wait()
		failure := r.one(t, "coppice.child.failure", "/shop/jobs/mail")
		gaveUp := r.one(t, "coppice.supervisor.gave_up", "/shop/jobs")
		require.True(t, linksTo(gaveUp, failure))
		require.Contains(t, gaveUp.Status().Description, "gave up")
		closing := r.one(t, "coppice.supervisor.stop", "/shop/jobs")
		stop := r.one(t, "coppice.child.stop", "/shop/jobs/feed")
		require.True(t, linksTo(closing, gaveUp), strings.Join(r.lines(), "\n"))
		require.True(t, linksTo(stop, gaveUp) || isBelow(stop, closing))
		require.NotEmpty(t, r.ended("coppice.child.failure"))
	})
}

func TestAHungAndAbandonedRunIsRecorded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		hangs := func(ctx child.Context) error {
			if ctx.Restarts() > 0 {
				return idle(ctx)
			}
			_ = ctx.Ready()
			time.Sleep(time.Minute)
			return nil
		}
		root := r.start(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{
			{Name: "db", Run: hangs, Heartbeat: 10 * time.Second, StopTimeout: time.Second},
		}})
		time.Sleep(15 * time.Second)
		defer time.Sleep(time.Minute)
		hung := r.one(t, "coppice.child.failure", "/shop/db")
		require.Contains(t, hung.Status().Description, "no heartbeat")
		stop := r.one(t, "coppice.child.stop", "/shop/db")
		require.Equal(t, time.Second, took(stop))
		require.Equal(t, codes.Error, stop.Status().Code)
		require.True(t, linksTo(stop, hung))
		again := r.ended("coppice.child.start")[1]
		require.True(t, linksTo(again, hung))
		require.NotEqual(t, attr(stop, "coppice.run"), attr(again, "coppice.run"))
		require.NoError(t, root.StopChild(bg, "db"))
		synctest.Wait()
		stops := r.ended("coppice.child.stop")
		require.Len(t, stops, 2)
		require.True(t, linksTo(stops[1], again))
		require.Equal(t, attr(again, "coppice.run"), attr(stops[1], "coppice.run"))
	})
}

func TestALateStartIsRecordedOnItsSpan(t *testing.T) {
	withAndWithoutAround(t, func(t *testing.T, r *rig, around func(child.Context, func(child.Context) error) error) {
		late := func(ctx child.Context) error {
			if ctx.Restarts() > 0 {
				return idle(ctx)
			}
			<-ctx.Done()
			return nil
		}
		r.start(t, supervisor.Spec{Around: around, Backoff: child.Constant(time.Second), Children: []child.Spec{
			{Name: "db", Run: late, StartTimeout: 3 * time.Second, RetryStart: true},
		}})
		synctest.Wait()
		starts := r.ended("coppice.child.start")
		require.Len(t, starts, 2)
		require.Equal(t, 3*time.Second, took(starts[0]))
		require.Equal(t, "start timeout", starts[0].Status().Description)
		require.True(t, linksTo(r.one(t, "coppice.child.stop", "/shop/db"), starts[0]))
		require.True(t, linksTo(starts[1], starts[0]))
		require.Empty(t, r.ended("coppice.child.failure"))
	})
}

func TestAnErrorWhileStoppingIsOnTheSpanOfTheStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		flush := func(ctx child.Context) error {
			_ = idle(ctx)
			return errors.New("flush: 1,708 rows not written")
		}
		clean := func(ctx child.Context) error {
			_ = idle(ctx)
			return context.Cause(ctx)
		}
		root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: flush}, {Name: "api", Run: clean}}})
		require.Error(t, root.Stop(bg))
		require.Equal(t, "flush: 1,708 rows not written", r.one(t, "coppice.child.stop", "/shop/db").Status().Description)
		require.Equal(t, codes.Unset, r.one(t, "coppice.child.stop", "/shop/api").Status().Code)
	})
}

func TestWhatAnOperatorRequestsIsASpan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		root := r.start(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{{Name: "db", Run: idle}}})
		ctx := supervisor.WithRequest(t.Context(), supervisor.Request{By: "ann\x1b[2J"})
		require.NoError(t, root.RestartChild(ctx, "db"))
		synctest.Wait()
		request := r.one(t, "coppice.request", "/shop/db")
		require.Equal(t, `ann\x1b[2J`, attr(request, "coppice.by"))
		stop := r.one(t, "coppice.child.stop", "/shop/db")
		require.True(t, linksTo(stop, request))
		require.Equal(t, `ann\x1b[2J`, attr(stop, "coppice.by"))
		require.True(t, linksTo(r.ended("coppice.child.start")[1], request) || linksTo(r.ended("coppice.child.start")[1], stop))
	})
}

func TestTheEndOfAWatchEndsOpenSpans(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Around: r.Around, Children: []child.Spec{
			{Name: "db", Run: slow(time.Hour, 0)},
		}})
		stop := r.Watch(root)
		done := make(chan error)
		go func() { done <- root.Start(bg) }()
		time.Sleep(time.Minute)
		stop()
		require.Len(t, r.ended("coppice.child.start"), 1)
		require.Len(t, r.ended("coppice.tree.start"), 1)
		require.NoError(t, <-done)
		require.NoError(t, root.RestartChild(bg, "db"))
		require.NoError(t, root.Stop(bg))
		require.Len(t, r.spans.Started(), 2, "nothing more")
		stop()
	})
}

func TestATreeThatIsStartedAgainHasTracesOfItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		root := r.watch(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{{Name: "db", Run: idle}}})
		for range 2 {
			require.NoError(t, root.Start(bg))
			require.NoError(t, root.Stop(bg))
		}
		require.Len(t, r.ended("coppice.tree.start"), 2)
		starts := r.ended("coppice.child.start")
		require.Len(t, starts, 2)
		require.NotEqual(t, starts[0].SpanContext().TraceID(), starts[1].SpanContext().TraceID())
		require.Empty(t, starts[1].Links(), "numbers of events start over")
	})
}

func TestATreeThatCannotStartHasAnErrorOnItsSpan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		root := r.watch(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{
			{Name: "db", Run: idle}, {Name: "api", Run: func(child.Context) error { return errBoom }},
		}})
		require.Error(t, root.Start(bg))
		start := r.ended("coppice.tree.start")
		require.Len(t, start, 1)
		require.Equal(t, codes.Error, start[0].Status().Code)
		require.Equal(t, "boom", r.one(t, "coppice.child.start", "/shop/api").Status().Description)
	})
}

package coppiceotel_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/supervisor"
)

func TestTheLogRecordsTellTheStory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		fail := make(chan any)
		flush := func(ctx child.Context) error {
			_ = idle(ctx)
			return errors.New("flush: 1,708 rows not written")
		}
		nested := supervisor.New(supervisor.Spec{})
		root := r.start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "db", Run: failing(fail), Backoff: child.Constant(2 * time.Second)},
			{Name: "log", Run: flush},
			{Name: "nested", Run: nested.Run},
		}})
		fail <- errBoom
		time.Sleep(time.Minute)
		require.Error(t, root.Stop(bg))
		require.Equal(t, []string{
			"INFO up /shop",
			"ERROR failed /shop/db: boom",
			"INFO restarting /shop/db in 2s: boom",
			"INFO ready /shop/db",
			"INFO closing /shop: stopped",
			"WARN stopped /shop/log: flush: 1,708 rows not written",
			"WARN over /shop: /shop/log: stopped with an error: flush: 1,708 rows not written",
		}, r.logs.story())

		failed := r.logs.of("coppice.failed")[0]
		require.Equal(t, "ERROR", failed.SeverityText())
		require.Equal(t, map[string]string{
			"coppice.tree": "shop", "coppice.child.path": "/shop/db", "coppice.run": "1", "coppice.seq": attrs(failed)["coppice.seq"],
			"coppice.reason": "failed", "error.type": "error", "exception.type": "*errors.errorString", "exception.message": "boom",
		}, attrs(failed))
		restarting := r.logs.of("coppice.restarting")[0]
		require.Equal(t, "2", attrs(restarting)["coppice.delay"], "seconds")
		require.Equal(t, attrs(failed)["coppice.seq"], attrs(restarting)["coppice.because"])
		require.Equal(t, "2", attrs(r.logs.of("coppice.ready")[0])["coppice.down"], "seconds")
		up := r.logs.of("coppice.up")[0]
		require.Equal(t, "/shop", attrs(up)["coppice.supervisor.path"])
		require.Equal(t, "3", attrs(up)["coppice.children"])
		require.NotContains(t, attrs(up), "coppice.child.path")
		require.Equal(t, "1", attrs(r.logs.of("coppice.over")[0])["coppice.unclean"])
	})
}

func TestSeveritiesFollowTheTableOfTheLogger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{MinSeverity: log.SeverityDebug})
		do := make(chan func(child.Context))
		busy := func(ctx child.Context) error {
			_ = ctx.Ready()
			for {
				select {
				case f := <-do:
					f(ctx)
				case <-ctx.Done():
					return nil
				}
			}
		}
		once := func(ctx child.Context) error { // returns nil although it is Permanent
			_ = ctx.Ready()
			if ctx.Restarts() < 2 {
				return nil
			}
			<-ctx.Done()
			return nil
		}
		stuck := func(ctx child.Context) error {
			_ = idle(ctx)
			time.Sleep(10 * time.Second)
			return nil
		}
		root := r.start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "busy", Run: busy},
			{Name: "once", Run: once},
			{Name: "stuck", Run: stuck, StopTimeout: time.Second},
			{Name: "cut", Run: stuck, StopTimeout: child.AtOnce},
		}})
		do <- func(ctx child.Context) { ctx.OnError(errBoom) }
		do <- func(ctx child.Context) { ctx.Unready(errBoom) }
		do <- func(ctx child.Context) { _ = ctx.Ready() }
		do <- func(ctx child.Context) { ctx.Status("hello") }
		synctest.Wait()
		_ = root.Stop(bg)
		time.Sleep(time.Minute)

		is := func(name, path string, want ...log.Severity) {
			t.Helper()
			var got []log.Severity
			for _, record := range r.logs.of(name) {
				if attrs(record)["coppice.child.path"]+attrs(record)["coppice.supervisor.path"] == path {
					got = append(got, record.Severity())
				}
			}
			require.Equal(t, want, got, "%s %s in\n%s", name, path, strings.Join(r.logs.story(), "\n"))
		}
		const debug, info, warn, errorLevel = log.SeverityDebug, log.SeverityInfo, log.SeverityWarn, log.SeverityError
		is("coppice.starting", "/shop/busy", debug)
		is("coppice.ready", "/shop/busy", debug, info)
		is("coppice.error", "/shop/busy", warn)
		is("coppice.unready", "/shop/busy", warn)
		is("coppice.status", "/shop/busy", debug)
		is("coppice.stopping", "/shop/busy", debug)
		is("coppice.stopped", "/shop/busy", debug)
		is("coppice.completed", "/shop/once", debug, warn)
		is("coppice.abandoned", "/shop/stuck", errorLevel)
		is("coppice.late_exit", "/shop/stuck", warn)
		is("coppice.abandoned", "/shop/cut", debug)
		is("coppice.closing", "/shop", info)
		is("coppice.over", "/shop", warn)
		require.Equal(t, "hello", attrs(r.logs.of("coppice.status")[0])["coppice.text"])
	})
}

func TestMinSeveritySelectsTheRecords(t *testing.T) {
	for least, want := range map[log.Severity]int{log.SeverityDebug: 8, log.SeverityInfo: 3, log.SeverityWarn: 0} {
		bubble(t, func(t *testing.T) {
			r := newRig(coppiceotel.Spec{MinSeverity: least})
			root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: idle}}})
			require.NoError(t, root.Stop(bg))
			got := len(r.logs.all())
			if least == log.SeverityDebug {
				got = min(got, want) // at least starting, ready, up, closing, stopping, stopped, over
				want = 7
			}
			require.GreaterOrEqual(t, got, want)
			if least != log.SeverityDebug {
				require.Equal(t, want, got)
			}
			for _, record := range r.logs.all() {
				require.GreaterOrEqual(t, record.Severity(), least)
			}
		})
	}
}

func TestTextsAreBoundedAndHarmless(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		fail := make(chan any)
		name := "a\x1b[2J\u202e"
		r.start(t, supervisor.Spec{Around: r.Around, Backoff: child.Constant(time.Second), Children: []child.Spec{
			{Name: "db", Run: failing(fail)},
			{Name: child.NameOf(name), Run: idle},
		}})
		for _, text := range []string{strings.Repeat("é\n", 1<<19), "\x1b[2J\x00\xff<script>", strings.Repeat("\x80", 1<<20)} {
			fail <- errors.New(text)
			time.Sleep(time.Minute)
			fail <- text // panics
			time.Sleep(time.Minute)
		}
		check := func(what, text string) {
			t.Helper()
			require.Less(t, len(text), 9<<10, what)
			require.True(t, utf8.ValidString(text), what)
			if !strings.Contains(what, "stack") {
				require.NotContains(t, text, "\n", what)
			}
			require.NotContains(t, text, "\x1b", what)
			require.NotContains(t, text, "\x00", what)
		}
		require.Len(t, r.logs.of("coppice.failed"), 6)
		for _, record := range r.logs.all() {
			check("body", record.Body().String())
			for key, text := range attrs(record) {
				check(key, text)
			}
		}
		require.Len(t, r.ended("coppice.child.failure"), 6)
		for _, span := range r.spans.Ended() {
			check("status", span.Status().Description)
			for _, kv := range span.Attributes() {
				check(string(kv.Key), kv.Value.String())
			}
			for _, event := range span.Events() {
				for _, kv := range event.Attributes {
					check(string(kv.Key), kv.Value.String())
				}
			}
		}
	})
}

func TestErrorsWithMethodsThatPanicAreReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		r.start(t, supervisor.Spec{Around: r.Around, Children: []child.Spec{{Name: "db", Run: hostile}}, Backoff: child.Constant(time.Second)})
		time.Sleep(1500 * time.Millisecond)
		require.Len(t, r.logs.of("coppice.failed"), 1)
		require.Equal(t, "*child.PanicError", attrs(r.logs.of("coppice.failed")[0])["exception.type"])
		require.NotEmpty(t, r.one(t, "coppice.child.failure", "/shop/db").Status().Description)
		require.Equal(t, 1., r.series(t)["coppice.child.failures{coppice.child.path=/shop/db,error.type=panic}"], "the supervisor was the first to meet one")
	})
}

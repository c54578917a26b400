package supervisortest_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// play runs c as /root/a for a minute, with a backoff of a second, and returns the events
// and the records of its runs.
func play(t *testing.T, c *supervisortest.Child, spec child.Spec) (text string, runs []supervisortest.ChildRun) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		spec.Name, spec.Run, spec.Backoff = "a", c.Run, child.Constant(time.Second)
		sup := supervisor.New(supervisor.Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{spec}})
		events := supervisortest.Record(t, sup)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = sup.Serve(ctx)
		c.Release()
		synctest.Wait()
		text, runs = events.String(), c.Runs()
	})
	return text, runs
}

func TestChildFollowsItsScript(t *testing.T) {
	for name, tc := range map[string]struct {
		script *supervisortest.Child // nil: the zero Child
		spec   child.Spec
		want   []string // in the text of the events
	}{
		"zero":             {want: []string{"0s  ready", "1m0s  stopped"}},
		"ready after":      {script: &supervisortest.Child{ReadyAfter: 3 * time.Second}, want: []string{"3s  ready"}},
		"never ready":      {script: &supervisortest.Child{NeverReady: true}, want: []string{"10s  slow-start", "1m0s  stopping"}},
		"never in time":    {script: &supervisortest.Child{NeverReady: true}, spec: child.Spec{StartTimeout: time.Second}, want: []string{"1s  failed /root/a: start timeout"}},
		"fails to start":   {script: &supervisortest.Child{FailStarts: 2}, spec: child.Spec{RetryStart: true}, want: []string{"0s  failed /root/a: scripted failure", "1s  failed", "2s  ready"}},
		"panics at start":  {script: &supervisortest.Child{FailStarts: 1, StartError: supervisortest.Panic("x")}, spec: child.Spec{RetryStart: true}, want: []string{"0s  failed /root/a: panic: x", "1s  ready"}},
		"nil":              {script: &supervisortest.Child{RunFor: time.Second}, want: []string{"1s  completed", "2s  ready", "3s  completed"}},
		"error":            {script: &supervisortest.Child{RunFor: time.Second, EndWith: errBoom}, want: []string{"1s  failed /root/a: boom", "2s  ready"}},
		"panic":            {script: &supervisortest.Child{RunFor: time.Second, EndWith: supervisortest.Panic("x")}, want: []string{"1s  failed /root/a: panic: x"}},
		"goexit":           {script: &supervisortest.Child{RunFor: time.Second, EndWith: child.ErrGoexit}, want: []string{"1s  failed /root/a: runtime.Goexit"}},
		"at once":          {script: &supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom}, want: []string{"0s  ready", "0s  failed"}},
		"slow to stop":     {script: &supervisortest.Child{StopAfter: 2 * time.Second}, want: []string{"1m0s  stopping", "1m2s  stopped"}},
		"until released":   {script: &supervisortest.Child{StopAfter: child.Forever}, want: []string{"1m5s  abandoned", "1m5s  late-exit"}},
		"reports":          {script: &supervisortest.Child{Reports: []error{errBoom, errors.New("again")}}, want: []string{"0s  error /root/a: boom", "0s  error /root/a: again"}},
		"beats":            {script: &supervisortest.Child{Beat: time.Second}, spec: child.Spec{Heartbeat: 2 * time.Second}, want: []string{"0s  ready", "1m0s  stopping"}},
		"stops beating":    {script: &supervisortest.Child{Beat: time.Second, BeatFor: 10500 * time.Millisecond}, spec: child.Spec{Heartbeat: 2 * time.Second}, want: []string{"12s  hung /root/a"}},
		"leaves goroutine": {script: &supervisortest.Child{Leak: true}, want: []string{"1m0s  stopped"}}, // and the bubble ends, by Release
	} {
		t.Run(name, func(t *testing.T) {
			if tc.script == nil {
				tc.script = new(supervisortest.Child)
			}
			text, runs := play(t, tc.script, tc.spec)
			for _, want := range tc.want {
				require.Contains(t, text, " "+want)
			}
			require.NotEmpty(t, runs)
		})
	}
}

func TestChildRecordsItsRuns(t *testing.T) {
	c := &supervisortest.Child{ReadyAfter: time.Second, RunFor: 40 * time.Second, EndWith: errBoom}
	_, runs := play(t, c, child.Spec{})
	require.Len(t, runs, 2)
	require.Equal(t, 2, c.Starts())
	first, second := runs[0], runs[1]
	require.Equal(t, "/root/a", first.Path)
	require.Equal(t, time.Second, first.Ready.Sub(first.Started))
	require.Equal(t, 41*time.Second, first.Ended.Sub(first.Started))
	require.Equal(t, errBoom, first.Err)
	require.Zero(t, first.Stopping)
	require.Zero(t, first.Restarts)
	require.Equal(t, 1, second.Restarts)
	require.Equal(t, time.Minute, second.Stopping.Sub(first.Started))
	require.ErrorIs(t, second.Cause, child.ErrStopped)
	require.NoError(t, second.Err)
	require.Less(t, first.Order, second.Order)
}

func TestChildEndsWhenTheTestSaysSo(t *testing.T) {
	a := &supervisortest.Child{}
	sup := supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}}})
	events := supervisortest.Record(t, sup)
	a.End(t, errBoom)
	events.Order(t, "ready a", "failed a", "restarting a", "ready a")
	a.End(t, supervisortest.Panic("ouch"))
	e := events.Await(t, supervisortest.Match{Kind: supervisor.EventFailed})
	require.EqualError(t, e.Err, "panic: ouch")
	events.Await(t, supervisortest.Match{Kind: supervisor.EventReady})
}

func TestANilChildSaysWhatToDo(t *testing.T) {
	var none *supervisortest.Child
	const want = "supervisortest: Child is nil: create one with new(supervisortest.Child)"
	require.Equal(t, "End: "+want, failing.Test(t, func(t testing.TB) { none.End(t, nil) }))
	require.Contains(t, failing.Test(t, func(t testing.TB) {
		supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: none.Run}}})
	}), "start: /root/a: "+want)
}

func TestAnInvalidScriptSaysWhatIsWrong(t *testing.T) {
	for want, script := range map[string]*supervisortest.Child{
		"FailStarts is -1: it must not be negative":                                    {FailStarts: -1},
		"ReadyAfter is -1s: it must not be negative":                                   {ReadyAfter: -time.Second},
		"StopAfter is -1s: it must not be negative; child.Forever hangs until Release": {StopAfter: -time.Second},
		"Beat is -1s: it must not be negative":                                         {Beat: -time.Second},
		"BeatFor is -1s: it must not be negative":                                      {BeatFor: -time.Second},
		"BeatFor is 1s and Beat is zero: set Beat too":                                 {BeatFor: time.Second},
	} {
		require.Contains(t, failing.Test(t, func(t testing.TB) {
			supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: script.Run}}})
		}), "start: /root/a: supervisortest: Child: "+want)
	}
}

func TestEndOfAChildThatIsNotRunningSaysWhatToDo(t *testing.T) {
	text := failing.Test(t, func(t testing.TB) { (&supervisortest.Child{}).End(t, nil) })
	require.Equal(t, "End: the child is not ready (0 starts so far): await its ready event first", text)
}

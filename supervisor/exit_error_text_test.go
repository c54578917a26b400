package supervisor_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// evil is text that clears a terminal, forges a line and reverses the text after it.
const evil = "x\x1b[2J\rroot  running\u2028\u202e\u0085\u200b\xff"

// escaped is evil as it may be shown.
const escaped = `x\x1b[2J\rroot  running\u2028\u202e\u0085\u200b\xff`

// harmless fails if text contains more than lines of printable characters.
func harmless(t *testing.T, text string) {
	t.Helper()
	for _, r := range strings.ToValidUTF8(text, "\u0085") {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Fatalf("%q in %q", r, text)
		}
	}
}

func TestTextOfErrorsIsHarmlessWhereverItIsShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		sup := start(t, supervisor.Spec{
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.OnError(errors.New(evil))
				ctx.Unready(errors.New(evil))
				<-ctx.Done()
				return nil
			}}},
		})
		synctest.Wait()
		drawing(t, "root  running   one-for-one\n└─ a  running   unready: "+escaped+", last: "+escaped+", just now\n", sup.Tree())
		require.Equal(t, []string{"/root/a: not ready: " + escaped}, ills(sup))
		for _, err := range []error{
			sup.StopChild(t.Context(), evil), sup.RestartChild(t.Context(), "/"+evil),
			sup.StartChild(t.Context(), child.Spec{Name: evil, Run: idle}),
		} {
			require.Error(t, err)
			harmless(t, err.Error())
		}
	})
}

func TestTextOfErrorsOfOursIsHarmless(t *testing.T) {
	for want, of := range map[string]any{
		"/" + escaped + ": a; b" + escaped: &supervisor.ChildError{Path: "/" + evil, Err: errors.New("a\nb" + evil)},
		escaped + ": gave up: " + escaped + ": " + escaped + ": " + escaped: &supervisor.GaveUpError{
			Path: evil, Reason: evil, Child: evil, Err: errors.New(evil),
		},
		escaped + ": gave up: escalated: /a: returned nil, but it is Permanent": &supervisor.GaveUpError{Path: evil, Reason: "escalated", Child: "/a"},
		"/" + escaped + " (one-for-one)":                                        supervisor.New(supervisor.Spec{Name: evil}),
		"[event=error path=/" + escaped + " err=" + escaped + "]":               supervisor.Event{Kind: supervisor.EventError, Path: "/" + evil, Err: errors.New(evil)}.LogValue(),
		escaped + "  stopped\n":                                                 supervisor.Tree{Status: child.Status{Name: evil}},
	} {
		require.Equal(t, want, fmt.Sprint(of))
	}
}

func TestANilErrorOfOursIsAPlainFailure(t *testing.T) {
	for want, err := range map[string]error{
		"nil *supervisor.StopError":   (*supervisor.StopError)(nil),
		"nil *supervisor.ChildError":  (*supervisor.ChildError)(nil),
		"nil *supervisor.GaveUpError": (*supervisor.GaveUpError)(nil),
		"nil *child.PanicError":       (*child.PanicError)(nil),
		"nil *child.SpecError":        (*child.SpecError)(nil),
	} {
		t.Run(want, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				require.NotErrorIs(t, err, child.ErrShutdown)
				require.NotErrorIs(t, err, errBoom)
				for _, returned := range []error{err, fmt.Errorf("wrapped: %w", err)} {
					p := newPuppet()
					sup := newRoot(supervisor.Spec{Children: []child.Spec{
						{Name: "a", Run: p.Run, Restart: child.Transient, Backoff: child.Constant(time.Hour)},
					}})
					rec := record(t, sup, supervisor.EventFailed)
					require.NoError(t, sup.Start(t.Context()))
					p.end(returned)
					events := rec.take()
					require.Len(t, events, 1)
					require.True(t, events[0].Err == returned, "itself: %v", events[0].Err)
					require.Empty(t, events[0].Stack)
					require.Equal(t, child.Waiting, state(t, sup, "a"), "a failure, not a shutdown")
					require.Contains(t, sup.Tree().String(), "last: "+returned.Error())
					require.Contains(t, returned.Error(), want)
					require.NoError(t, sup.Stop(t.Context()))
				}
			})
		})
	}
}

// byMethod is an error whose text does what a test wants.
type byMethod func() string

func (f byMethod) Error() string { return f() }

func TestAPanicWhoseTextCallsGoexitIsAFailure(t *testing.T) {
	exits := byMethod(func() string { runtime.Goexit(); return "" })
	for name, spec := range map[string]child.Spec{
		"of Run":    {},
		"of Decide": {Decide: func(error) error { panic(exits) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPuppet()
				spec.Name, spec.Run, spec.Backoff = "a", p.Run, child.Constant(time.Hour)
				sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
				p.endBy(func() error {
					if spec.Decide == nil {
						panic(exits)
					}
					return errBoom
				})
				require.Same(t, child.ErrGoexit, lookup(t, sup, "a").LastError)
			})
		})
	}
}

func TestTheTreeSaysHowLongAgoTheLastErrorWas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctxs := make(chan child.Context, 1)
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			ctxs <- ctx
			return idle(ctx)
		}}}})
		at := time.Now()
		require.Zero(t, lookup(t, sup, "a").LastErrorAt)
		(<-ctxs).OnError(errBoom)
		for _, c := range []struct {
			after time.Duration
			want  string
		}{
			{0, "just now"},
			{5*time.Second - 1, "just now"},
			{5 * time.Second, "5s ago"},
			{time.Minute - 1, "59s ago"},
			{time.Minute, "1m ago"},
			{time.Hour - 1, "59m ago"},
			{time.Hour, "1h ago"},
			{24*time.Hour - 1, "23h ago"},
			{24 * time.Hour, "1d ago"},
			{1000 * time.Hour, "41d ago"},
		} {
			time.Sleep(c.after - time.Since(at))
			require.Equal(t, at, lookup(t, sup, "a").LastErrorAt)
			require.Contains(t, sup.Tree().String(), "last: boom, "+c.want+"\n")
		}
	})
}

func TestTreeFoldsLeavesWhoseErrorsDifferInAgeOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var specs []child.Spec
		for i := range 30 {
			specs = append(specs, child.Spec{Name: fmt.Sprint("c", i), Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				time.Sleep(time.Duration(i) * time.Minute)
				ctx.OnError(errBoom)
				<-ctx.Done()
				return nil
			}})
		}
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Children: specs})
		time.Sleep(30 * time.Minute)
		drawing(t, `
root          running   independent
├─ c0         running   last: boom, 30m ago
├─ c1         running   last: boom, 29m ago
├─ c2         running   last: boom, 28m ago
└─ … 27 more  running   last: boom
`, sup.Tree())
	})
}

func TestAStartThatIsCenturiesAwayReadsNever(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: child.Constant(200 * 365 * 24 * time.Hour)},
		}})
		p.end(errBoom)
		require.Equal(t, []string{"/root/a: not ready: next start: never: boom"}, ills(sup))
		require.Contains(t, sup.Tree().String(), "waiting   next start: never, last: boom")
	})
}

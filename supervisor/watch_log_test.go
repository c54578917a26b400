package supervisor_test

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// A diary is a log in memory, from a level on.
type diary struct {
	safe
	*slog.Logger
}

func newDiary(level slog.Level) *diary {
	d := new(diary)
	d.Logger = slog.New(slog.NewTextHandler(&d.safe, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	return d
}

// lines returns the lines so far, stacks cut out.
func (d *diary) lines() []string {
	synctest.Wait()
	text := regexp.MustCompile(` stack=".*"\n`).ReplaceAllString(d.String(), " stack=...\n")
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func TestEachKindOfEventHasItsLevelAndOneLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelDebug)
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		gives, fails := newPuppet(), newPuppet()
		doomed := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "x", Run: gives.Run}}})
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{
			{Name: "slow", Run: func(ctx child.Context) error {
				child.Sleep(ctx, 15*time.Second)
				return idle(ctx)
			}},
			{Name: "fails", Run: fails.Run, Backoff: child.Constant(time.Hour)},
			{Name: "doomed", Run: doomed.Run, Restart: child.Transient},
			{Name: "task", Run: child.Task(noWork)},
			{Name: "talks", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.OnError(errors.New("two\nlines"))
				ctx.Unready(errBoom)
				<-ctx.Done()
				return errBoom
			}},
			{Name: "hangs", Run: idle, Heartbeat: time.Second, Backoff: child.Constant(time.Hour)},
			{Name: "stuck", Run: deaf.Run, StopTimeout: time.Second},
		}})
		synctest.Wait() // it has said all
		require.Len(t, unclean(t, sup.RemoveChild(t.Context(), "talks")), 1)
		time.Sleep(1500 * time.Millisecond)
		require.Error(t, sup.StopChild(t.Context(), "stuck"))
		deaf.Release()
		fails.end(errBoom)
		gives.end(errBoom)
		require.Equal(t, []string{
			`level=DEBUG msg="coppice: starting" path=/root/slow`,
			`level=WARN msg="coppice: slow-start" path=/root/slow err="ctx.Ready was not called within 10s: call it when set-up is done"`,
			`level=DEBUG msg="coppice: ready" path=/root/slow took=15s`,
			`level=DEBUG msg="coppice: starting" path=/root/fails`,
			`level=DEBUG msg="coppice: ready" path=/root/fails`,
			`level=DEBUG msg="coppice: starting" path=/root/doomed`,
			`level=DEBUG msg="coppice: starting" path=/root/doomed/x`,
			`level=DEBUG msg="coppice: ready" path=/root/doomed/x`,
			`level=DEBUG msg="coppice: up" path=/root/doomed children=1`,
			`level=DEBUG msg="coppice: ready" path=/root/doomed`,
			`level=DEBUG msg="coppice: starting" path=/root/task`,
		}, log.lines()[:11])
		for _, want := range []string{
			`level=DEBUG msg="coppice: completed" path=/root/task err=done`,
			`level=WARN msg="coppice: error" path=/root/talks err="two; lines"`,
			`level=WARN msg="coppice: unready" path=/root/talks err=boom`,
			`level=DEBUG msg="coppice: stopping" path=/root/talks err=removed`,
			`level=WARN msg="coppice: stopped" path=/root/talks err=boom`,
			`level=INFO msg="coppice: up" path=/root children=7 took=15s`,
			`level=DEBUG msg="coppice: removed" path=/root/talks`,
			`level=ERROR msg="coppice: hung" path=/root/hangs stack=...`,
			`level=ERROR msg="coppice: failed" path=/root/hangs err="no heartbeat" next="restart 1 in 1h0m0s"`,
			`level=DEBUG msg="coppice: restarting" path=/root/hangs err="no heartbeat" delay=1h0m0s`,
			`level=ERROR msg="coppice: abandoned" path=/root/stuck after=1s stack=...`,
			`level=WARN msg="coppice: late-exit" path=/root/stuck`,
			`level=ERROR msg="coppice: failed" path=/root/fails err=boom next="restart 1 in 1h0m0s"`,
			`level=ERROR msg="coppice: failed" path=/root/doomed/x err=boom next="the supervisor gives up"`,
			`level=ERROR msg="coppice: gave-up" path=/root/doomed err="/root/doomed: gave up: more than 0 restarts in 1s: /root/doomed/x: boom"`,
			`level=ERROR msg="coppice: failed" path=/root/doomed err="/root/doomed: gave up: more than 0 restarts in 1s: /root/doomed/x: boom" next="not restarted"`,
		} {
			require.Contains(t, log.lines(), want)
		}
	})
}

func TestAPermanentChildThatKeepsReturningNilIsLoggedAsAWarning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelInfo)
		p := newPuppet()
		start(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{{Name: "a", Run: p.Run}}})
		p.end(nil)
		require.Len(t, log.lines(), 1, "once may happen")
		p.end(nil)
		require.Equal(t, `level=WARN msg="coppice: completed" path=/root/a restarts=1 next="restart 2 at once"`, log.lines()[1])
	})
}

func TestAnAbandonedRunThatStopsAtOnceIsNotAWarning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, deaf := newDiary(slog.LevelInfo), &supervisortest.Child{StopAfter: child.Forever}
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{
			{Name: "a", Run: deaf.Run, StopTimeout: child.AtOnce},
		}})
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		deaf.Release()
		require.Equal(t, []string{`level=INFO msg="coppice: up" path=/root children=1`}, log.lines())
	})
}

func TestLoggerNilIsTheParentsAndOwnOneTakesTheSubtree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		rootLog, ownLog := newDiary(slog.LevelDebug), newDiary(slog.LevelDebug)
		below := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "leaf", Run: idle}}})
		own := supervisor.New(supervisor.Spec{Logger: ownLog.Logger, Children: []child.Spec{{Name: "below", Run: below.Run}}})
		inherits := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		start(t, supervisor.Spec{Logger: rootLog.Logger, Children: []child.Spec{
			{Name: "own", Run: own.Run}, {Name: "inherits", Run: inherits.Run},
		}})
		require.Equal(t, []string{
			`level=DEBUG msg="coppice: starting" path=/root/own`,
			`level=DEBUG msg="coppice: ready" path=/root/own`,
			`level=DEBUG msg="coppice: starting" path=/root/inherits`,
			`level=DEBUG msg="coppice: starting" path=/root/inherits/x`,
			`level=DEBUG msg="coppice: ready" path=/root/inherits/x`,
			`level=DEBUG msg="coppice: up" path=/root/inherits children=1`,
			`level=DEBUG msg="coppice: ready" path=/root/inherits`,
			`level=INFO msg="coppice: up" path=/root children=2`,
		}, rootLog.lines())
		require.Equal(t, []string{
			`level=DEBUG msg="coppice: starting" path=/root/own/below`,
			`level=DEBUG msg="coppice: starting" path=/root/own/below/leaf`,
			`level=DEBUG msg="coppice: ready" path=/root/own/below/leaf`,
			`level=DEBUG msg="coppice: up" path=/root/own/below children=1`,
			`level=DEBUG msg="coppice: ready" path=/root/own/below`,
			`level=DEBUG msg="coppice: up" path=/root/own children=1`,
		}, ownLog.lines())
	})
}

func TestLoggerNilAtTheRootIsTheDefault(t *testing.T) {
	log := newDiary(slog.LevelInfo)
	defaultLog(t, log.Handler())
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run}}})
		require.NoError(t, sup.Start(t.Context()))
		p.end(errBoom)
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, []string{
			`level=INFO msg="coppice: up" path=/root children=1`,
			`level=ERROR msg="coppice: failed" path=/root/a err=boom next="restart 1 at once"`,
			`level=INFO msg="coppice: ready" path=/root/a restarts=1`,
			`level=INFO msg="coppice: closing" path=/root cause=stopped`,
			`level=INFO msg="coppice: over" path=/root`,
		}, log.lines())
	})
}

func TestDiscardHandlerWritesNothing(t *testing.T) {
	log := newDiary(slog.LevelDebug)
	defaultLog(t, log.Handler())
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := supervisor.New(supervisor.Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "a", Run: p.Run}}})
		require.NoError(t, sup.Start(t.Context()))
		p.end(errBoom)
		require.NoError(t, sup.Stop(t.Context()))
		require.Empty(t, log.lines())
	})
}

// blocking is a log handler that blocks until it is released, then keeps what it got.
type blocking struct {
	slog.Handler
	release chan struct{}
	mu      sync.Mutex
	got     []string
}

func (b *blocking) Enabled(context.Context, slog.Level) bool { return true }

func (b *blocking) Handle(_ context.Context, r slog.Record) error {
	<-b.release
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, r.Message)
	return nil
}

func TestALogHandlerThatBlocksDelaysOnlyTheLastReturnAndNotForever(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &blocking{release: make(chan struct{})}
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Logger: slog.New(h), Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := supervisor.New(supervisor.Spec{Logger: slog.New(h), Children: []child.Spec{
			{Name: "a", Run: p.Run}, {Name: "in", Run: inner.Run},
		}})
		began := time.Now()
		require.NoError(t, sup.Start(t.Context()))
		p.end(errBoom)
		require.Equal(t, child.Running, state(t, sup, "a"))
		require.NoError(t, sup.RestartChild(t.Context(), "in"))
		require.Equal(t, began, time.Now())
		require.NoError(t, sup.Stop(t.Context()))
		require.LessOrEqual(t, time.Since(began), time.Second)
		close(h.release)
		synctest.Wait()
		require.Len(t, h.got, 24+2*3+3, "nothing was lost") // two lives of in, one of the root
	})
}

func TestALogHandlerThatPanicsEndsNothing(t *testing.T) {
	defaultLog(t, panicky{})
	for name, log := range map[string]*slog.Logger{"its own": slog.New(panicky{}), "the default": nil} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPuppet()
				inner := supervisor.New(supervisor.Spec{Logger: log, Children: []child.Spec{{Name: "x", Run: p.Run}}})
				sup := supervisor.New(supervisor.Spec{Logger: log, Children: []child.Spec{{Name: "in", Run: inner.Run}}})
				require.NoError(t, sup.Start(t.Context()))
				p.end(errBoom)
				require.Equal(t, child.Running, state(t, sup, "in/x"))
				require.NoError(t, sup.Stop(t.Context()))
			})
		})
	}
}

// leisurely is a log handler that takes its time for each line.
type leisurely struct{ slog.Handler }

func (l leisurely) Handle(ctx context.Context, r slog.Record) error {
	time.Sleep(10 * time.Millisecond)
	return l.Handler.Handle(ctx, r)
}

func TestTheLastLinesAreWrittenWhenServeReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		rootLog, ownLog := newDiary(slog.LevelDebug), newDiary(slog.LevelDebug)
		own := supervisor.New(supervisor.Spec{Logger: slog.New(leisurely{ownLog.Handler()}), Children: []child.Spec{
			{Name: "x", Run: idle}, {Name: "y", Run: idle}, {Name: "z", Run: idle},
		}})
		sup := supervisor.New(supervisor.Spec{Logger: slog.New(leisurely{rootLog.Handler()}), Children: []child.Spec{
			{Name: "own", Run: own.Run},
		}})
		for range 2 {
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error)
			go func() { served <- sup.Serve(ctx) }()
			synctest.Wait()
			stop()
			require.NoError(t, <-served)
		}
		lines := strings.Split(rootLog.String(), "\n") // at once, before anything else can be written
		require.Equal(t, `level=INFO msg="coppice: over" path=/root`, lines[len(lines)-2])
		require.Len(t, lines, 2*(4+3)+1)
		lines = strings.Split(ownLog.String(), "\n")
		require.Equal(t, `level=DEBUG msg="coppice: over" path=/root/own`, lines[len(lines)-2])
		require.Len(t, lines, 2*(12+3)+1)
	})
}

func TestAPanicWhileStoppingIsLoggedAsAWarning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelInfo)
		sup := startLoosely(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				<-ctx.Done()
				panic("in its cleaning up")
			}},
			{Name: "b", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				<-ctx.Done()
				return ctx.Err()
			}},
		}})
		require.Equal(t, []string{"/root/a: panic: in its cleaning up"}, unclean(t, sup.Stop(t.Context())))
		require.Contains(t, log.lines(), `level=WARN msg="coppice: stopped" path=/root/a err="panic: in its cleaning up" stack=...`)
	})
}

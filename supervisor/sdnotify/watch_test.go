package sdnotify

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestReadyWhenTheRootIsUpAndStoppingWhenItsStopBegins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "c", Run: slow(second, 0)}}})
		root, systemd, stop := watched(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run}, {Name: "db", Run: slow(3*second, 2*second)},
		}}, 0)
		requireLines(t, systemd.take(readyLine, stoppingLine))
		ended := serve(t, root)
		time.Sleep(3 * second)
		requireLines(t, systemd.take(readyLine, stoppingLine)) // the nested supervisor is up, not the root
		time.Sleep(second)
		requireLines(t, systemd.take(readyLine, stoppingLine), readyLine)
		require.NoError(t, root.RestartChild(t.Context(), "inner"))
		requireLines(t, systemd.take(readyLine, stoppingLine))

		go func() { _ = root.Stop(context.Background()) }()
		requireLines(t, systemd.take(readyLine, stoppingLine), stoppingLine)
		require.NoError(t, <-ended)
		stop()
		stop()
		requireLines(t, systemd.take(readyLine, stoppingLine))
	})
}

func TestStoppingIsSentWhenTheDrainBegins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, _ := watched(t, supervisor.Spec{Drain: 7 * second, Children: []child.Spec{{Name: "a", Run: slow(0, second)}}}, 0)
		ended := serve(t, root)
		systemd.take()
		go func() { _ = root.Stop(context.Background()) }()
		requireLines(t, systemd.take(stoppingLine, statusKey), stoppingLine, statusKey+"draining, 1 running; /shop: draining")
		require.Empty(t, ended)
		require.NoError(t, <-ended)
		requireLines(t, systemd.take(stoppingLine, statusKey), statusKey+"stopping, 1 stopping", statusKey+"ended")
	})
}

func TestRootThatGivesUpOrCannotStartStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fails := func(ctx child.Context) error { return errAway }
		root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: fails}}}, 0)
		require.Error(t, <-serve(t, root))
		requireLines(t, systemd.take(readyLine, stoppingLine, statusKey), statusKey+"starting, no children", stoppingLine,
			statusKey+"ended: /shop/a: connection refused")
	})
}

// log.Fatal after Serve skips the deferred stop.
func TestWhatIsLastIsSentBeforeServeReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, _ := watched(t, supervisor.Spec{Intensity: strategy.AtMost(0, second), Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error { return ctx.Ready() }},
		}}, 0)
		systemd.takes = 100 * time.Millisecond
		err := root.Serve(context.Background())
		require.Error(t, err)
		systemd.mu.Lock()
		last := systemd.got[len(systemd.got)-1].line
		systemd.mu.Unlock()
		require.Equal(t, statusKey+"ended: "+err.Error(), last)
	})
}

func TestRootThatIsStartedAgainIsReadyAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}}, 0)
		for range 3 {
			ended := serve(t, root)
			requireLines(t, systemd.take(readyLine, stoppingLine), readyLine)
			require.NoError(t, root.Stop(t.Context()))
			<-ended
			requireLines(t, systemd.take(readyLine, stoppingLine), stoppingLine)
		}
	})
}

func TestStartAndStopAreExtendedUpToTheCap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		extend := extendKey + "30000000"
		root, systemd, _ := watched(t, supervisor.Spec{Drain: 15 * second, StopTimeout: 25 * second, Children: []child.Spec{
			{Name: "a", Run: slow(time.Hour, time.Hour), StopTimeout: child.Forever},
		}}, 0)
		ended := serve(t, root)
		time.Sleep(59 * time.Minute)
		require.Len(t, systemd.take(extendKey), 60, "every 10 s for 10 minutes")
		time.Sleep(time.Minute)
		requireLines(t, systemd.take(extendKey, readyLine), readyLine)
		time.Sleep(time.Hour)
		requireLines(t, systemd.take(extendKey))
		go func() { _ = root.Stop(context.Background()) }()
		requireLines(t, systemd.take(extendKey, stoppingLine), stoppingLine, extend)
		time.Sleep(14 * second)
		requireLines(t, systemd.take(extendKey, stoppingLine), extend)
		time.Sleep(second)
		requireLines(t, systemd.take(extendKey, stoppingLine), extend) // the drain is over
		require.Error(t, <-ended)                                      // 25 s later
		require.Len(t, systemd.take(extendKey), 2)
		time.Sleep(time.Hour) // the abandoned run returns
		requireLines(t, systemd.take(extendKey))
	})
}

// A database that is away must not restart every process that uses it.
func TestWatchdogIsFedWhileTheDatabaseIsAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const away = 10 * time.Minute
		var gone time.Time
		db := func(ctx child.Context) error {
			if time.Since(gone) < away {
				return errAway
			}
			if err := ctx.Ready(); err != nil {
				return err
			}
			if child.Sleep(ctx, time.Minute) {
				return nil
			}
			gone = time.Now()
			return errAway
		}
		root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{
			{Name: "db", Run: db, Backoff: child.Exponential(100*time.Millisecond, 30*second)},
		}}, 30*second)
		serve(t, root)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, systemd.take(watchdogLine), 5)
		for range 40 {
			require.Error(t, root.Health())
			time.Sleep(15 * second)
			requireLines(t, systemd.take(watchdogLine), watchdogLine)
		}
		time.Sleep(40 * second)
		synctest.Wait()
		require.NoError(t, root.Health())
	})
}

func TestWatchdogIsNotFedAfterTheRootHasGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, _ := watched(t, supervisor.Spec{Intensity: strategy.AtMost(0, second), Children: []child.Spec{
			{Name: "stuck", Run: slow(0, time.Hour), StopTimeout: child.Forever},
			{Name: "bad", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				child.Sleep(ctx, 50*second)
				return errAway
			}},
		}}, 30*second)
		serve(t, root)
		time.Sleep(49 * second)
		require.Len(t, systemd.take(watchdogLine), 4)
		time.Sleep(time.Minute)
		requireLines(t, systemd.take(watchdogLine))
		time.Sleep(time.Hour)
	})
}

func TestWatchdogIsFedWhileTheTreeDrainsAndStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, _ := watched(t, supervisor.Spec{Drain: time.Minute, Children: []child.Spec{
			{Name: "a", Run: slow(0, 55*second), StopTimeout: child.Forever},
		}}, 20*second)
		ended := serve(t, root)
		go func() { _ = root.Stop(context.Background()) }()
		require.NoError(t, <-ended)
		require.Len(t, systemd.take(watchdogLine), 12)
		time.Sleep(time.Minute)
		requireLines(t, systemd.take(watchdogLine))
	})
}

func TestReadyAndStoppingAreSentAgainUntilTheyArrive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		root, systemd, stop := watched(t, supervisor.Spec{
			Children: []child.Spec{{Name: "a", Run: slow(second, 10*second), StopTimeout: time.Minute}}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}, 6*second)
		systemd.take()
		systemd.setFail(true)
		ended := serve(t, root)
		time.Sleep(time.Minute)
		requireLines(t, systemd.take("")) // nothing
		systemd.setFail(false)
		time.Sleep(second)
		requireLines(t, systemd.take(""), readyLine, watchdogLine, statusKey+"1 running")
		systemd.setFail(true)
		go func() { _ = root.Stop(context.Background()) }()
		time.Sleep(5 * second)
		systemd.setFail(false)
		time.Sleep(second)
		requireLines(t, systemd.take(""), stoppingLine, extendKey+"30000000", watchdogLine, statusKey+"stopping, 1 stopping")
		require.NoError(t, <-ended)
		stop()
		require.Equal(t, 2, strings.Count(log.String(), `msg="sdnotify: cannot notify the service manager" err="no such socket"`), log.String())
	})
}

// A second is what a message may take.
func TestManagerThatDoesNotReadDelaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, stop := watched(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}}, 30*second)
		systemd.takes = writeTimeout
		systemd.setFail(true)
		began := time.Now()
		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, root.RestartChild(t.Context(), "a"))
		require.Zero(t, time.Since(began))
		require.NoError(t, root.Stop(t.Context()))
		require.LessOrEqual(t, time.Since(began), second) // as for any subscriber
		stop()
		require.LessOrEqual(t, time.Since(began), second+stopWait)
	})
}

// stuckHandler is a log handler that blocks.
type stuckHandler struct {
	slog.Handler
	let chan struct{}
}

func (h *stuckHandler) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "sdnotify") {
		<-h.let
		panic("and then it panics")
	}
	return nil
}

func TestLogHandlerThatBlocksDoesNotBlockTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &stuckHandler{quiet.Handler(), make(chan struct{})}
		h.Handler = slog.NewTextHandler(new(bytes.Buffer), nil) // enabled
		root, systemd, stop := watched(t, supervisor.Spec{Logger: slog.New(h), Children: []child.Spec{{Name: "a", Run: idle}}}, 30*second)
		systemd.setFail(true)
		began := time.Now()
		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, root.Stop(t.Context()))
		stop()
		require.LessOrEqual(t, time.Since(began), second+stopWait)
		close(h.let)
	})
}

func TestStopOfAWatchBeforeTheStartSendsNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, stop := watched(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}}, 0)
		systemd.take()
		stop()
		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, root.Stop(t.Context()))
		requireLines(t, systemd.take(""))
	})
}

// The queue of a subscriber holds a thousand events.
func TestThousandsOfNestedSupervisorsThatEndAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		many := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{{Name: "many", Run: many.Run}}}, 0)
		ended := serve(t, root)
		var specs []child.Spec
		for range 3000 {
			one := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
			specs = append(specs, child.Spec{Name: child.UniqueName("s"), Run: one.Run})
		}
		require.NoError(t, many.StartChild(t.Context(), specs...))
		requireLines(t, systemd.take(readyLine, stoppingLine), readyLine)
		require.NoError(t, root.Stop(t.Context()))
		require.NoError(t, <-ended)
		requireLines(t, systemd.take(readyLine, stoppingLine), stoppingLine)
	})
}

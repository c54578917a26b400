package supervisor_test

import (
	"context"
	"errors"
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

// At info level the log has the whole story of a tree, and nothing twice.

// story returns the lines so far, without what all have in common.
func (d *diary) story() (lines []string) {
	for _, line := range d.lines() {
		line = strings.NewReplacer(`level=`, ``, `msg="coppice: `, ``, `" path=`, ` `).Replace(line)
		lines = append(lines, line)
	}
	return lines
}

func TestInfoLogHasTheWholeStory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelInfo)
		outage := make(chan error, 3) // one run ends by it, two starts fail
		api, unready := newPuppet(), make(chan error)
		deep := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(1, time.Minute), Children: named("job", api.Run)})
		inner := supervisor.New(supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "migrate", Run: child.Task(func(context.Context) error { return nil })},
			{Name: "deep", Run: deep.Run, Restart: child.Permanent},
		}})
		sup := newRoot(supervisor.Spec{Name: "shop", Logger: log.Logger, Children: []child.Spec{
			{Name: "db", Run: func(ctx child.Context) error {
				select {
				case err := <-outage:
					return err
				case <-time.After(100 * time.Millisecond):
				}
				if err := ctx.Ready(); err != nil {
					return err
				}
				select {
				case err := <-outage:
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}, Backoff: child.Constant(200 * time.Millisecond)},
			{Name: "talks", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				for {
					select {
					case err := <-unready:
						if err == nil {
							_ = ctx.Ready()
						} else {
							ctx.Unready(err)
						}
					case <-ctx.Done():
						time.Sleep(50 * time.Millisecond)
						return errFlush
					}
				}
			}},
			{Name: "in", Run: inner.Run},
		}})
		ctx, stop := context.WithCancelCause(t.Context())
		served := async(func() error { return sup.Serve(ctx) })
		time.Sleep(time.Second)
		for range 3 {
			outage <- errBoom
		}
		time.Sleep(time.Second)
		for range 5 {
			unready <- errBoom
		}
		time.Sleep(time.Second)
		unready <- nil
		unready <- nil
		api.end(errBoom)
		api.end(errBoom) // deep gives up, and takes inner's group along
		synctest.Wait()
		stop(errors.New("SIGTERM"))
		require.Error(t, <-served)
		require.Equal(t, []string{
			`INFO up /shop children=3 took=100ms`,
			`ERROR failed /shop/db err=boom next="restart 1 in 200ms"`,
			`ERROR failed /shop/db restarts=1 err=boom next="restart 2 in 200ms"`,
			`ERROR failed /shop/db restarts=2 err=boom next="restart 3 in 200ms"`,
			`INFO ready /shop/db restarts=3 down=700ms`,
			`WARN unready /shop/talks err=boom`,
			`INFO ready /shop/talks down=1s`,
			`ERROR failed /shop/in/deep/job err=boom next="restart 1 at once"`,
			`INFO ready /shop/in/deep/job restarts=1`,
			`ERROR failed /shop/in/deep/job restarts=1 err=boom next="the supervisor gives up"`,
			`ERROR gave-up /shop/in/deep restarts=1 err="/shop/in/deep: gave up: more than 1 restart in 1m0s: /shop/in/deep/job: boom"`,
			`ERROR failed /shop/in/deep err="/shop/in/deep: gave up: more than 1 restart in 1m0s: /shop/in/deep/job: boom" next="restart 1 at once"`,
			`INFO ready /shop/in/deep restarts=1`, // and not a word of the task before it
			`INFO closing /shop cause="stopped: SIGTERM"`,
			`WARN stopped /shop/talks err="flush: 1,708 rows not written" took=50ms`,
			`WARN over /shop took=50ms unclean=1`,
		}, log.story())
	})
}

// From the start of a stop nothing is restarted. A child that fails before its turn is not
// asked to stop, so the log says why it stays down, and the last line says what went wrong.
func TestLogOfAChildThatFailsBeforeItsTurnInAStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelInfo)
		db := newPuppet()
		sup := startLoosely(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{
			{Name: "db", Run: db.Run}, {Name: "api", Run: slow(0, time.Second)},
		}})
		stopped := async(func() error { return sup.Stop(t.Context()) })
		synctest.Wait()
		db.end(errBoom)
		require.Equal(t, []string{"/root/db: boom"}, unclean(t, <-stopped))
		require.Equal(t, []string{
			`level=INFO msg="coppice: closing" path=/root cause=stopped`,
			`level=WARN msg="coppice: stopped" path=/root/db err=boom next="not restarted: its supervisor is stopping"`,
			`level=WARN msg="coppice: over" path=/root took=1s unclean=1`,
		}, log.lines()[1:])
	})
}

// thinks is a backoff that returns what the test gives it.
type thinks struct{ answer chan time.Duration }

func newThinks() thinks                     { return thinks{make(chan time.Duration)} }
func (b thinks) make() child.BackoffPolicy  { return b }
func (b thinks) NextBackOff() time.Duration { return <-b.answer }
func (thinks) Reset()                       {}

func TestFailureIsLoggedWithWhatItsBackoffSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, b, a := newDiary(slog.LevelInfo), newThinks(), newPuppet()
		start(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{{Name: "a", Run: a.Run, Backoff: b.make}}})
		a.end(errBoom)
		require.Len(t, log.story(), 1, "it is not known yet")
		b.answer <- time.Minute
		require.Equal(t, []string{`ERROR failed /root/a err=boom next="restart 1 in 1m0s"`}, log.story()[1:])
		time.Sleep(time.Minute)
		require.Equal(t, []string{`INFO ready /root/a restarts=1 down=1m0s`}, log.story()[2:])
	})
}

// A call may come while a backoff runs. Then the failure is logged before its effects.
func TestFailureIsLoggedBeforeWhatHappensWhileItsBackoffRuns(t *testing.T) {
	for name, test := range map[string]struct {
		act  func(t *testing.T, sup *supervisor.Supervisor, a *puppet)
		want []string
	}{
		"restarted by hand": {func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
		}, []string{`ERROR failed /root/a err=boom`, `INFO ready /root/a down=1s`}},
		"restarted by hand, and failed again": {func(t *testing.T, sup *supervisor.Supervisor, a *puppet) {
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
			a.end(errFlush)
		}, []string{`ERROR failed /root/a err=boom`, `INFO ready /root/a down=1s`}}, // the second one waits for the answer to the first
		"stopped by hand": {func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.StopChild(t.Context(), "a"))
		}, []string{`ERROR failed /root/a err=boom`}},
		"removed": {func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.RemoveChild(t.Context(), "a"))
		}, []string{`ERROR failed /root/a err=boom`}},
		"the tree is stopped": {func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.Stop(t.Context()))
		}, []string{`ERROR failed /root/a err=boom`, `INFO closing /root cause=stopped`, `INFO over /root`}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log, b, a := newDiary(slog.LevelInfo), newThinks(), newPuppet()
				sup := startLoosely(t, supervisor.Spec{ // nobody listens but the log
					Logger: log.Logger, Children: []child.Spec{{Name: "a", Run: a.Run, Backoff: b.make}}})
				a.end(errBoom)
				time.Sleep(time.Second)
				test.act(t, sup, a)
				require.Equal(t, test.want, log.story()[1:])
				b.answer <- time.Minute
				synctest.Wait()
				if name == "restarted by hand, and failed again" {
					require.Equal(t, []string{`ERROR failed /root/a err="flush: 1,708 rows not written" next="restart 1 in 1m0s"`}, log.story()[3:])
				} else {
					require.Equal(t, test.want, log.story()[1:], "nothing twice")
				}
			})
		})
	}
}

func TestFailureIsLoggedIfItsBackoffPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, a := newDiary(slog.LevelInfo), newPuppet()
		sup := newRoot(supervisor.Spec{Logger: log.Logger, Children: []child.Spec{{Name: "a", Run: a.Run, Backoff: func() child.BackoffPolicy {
			panic("no policy")
		}}}})
		require.NoError(t, sup.Start(t.Context()))
		a.end(errBoom)
		require.Error(t, sup.Wait())
		lines := log.story()
		require.Contains(t, lines[1], `WARN error /root/a err="backoff: panic: no policy"`)
		require.Equal(t, []string{
			`ERROR failed /root/a err=boom next="the supervisor gives up"`,
			`ERROR gave-up /root err="/root: gave up: backoff gave up: /root/a: boom"`,
			`INFO closing /root`,
			`INFO over /root`,
		}, lines[2:])
	})
}

// Two of a group fail, and both have a backoff. The group waits for that of the second.
func TestFailuresOfAGroupAreLoggedWhenItsRestartIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, a, b := newDiary(slog.LevelInfo), newPuppet(), newPuppet()
		start(t, supervisor.Spec{Logger: log.Logger, Strategy: strategy.RestForOne, Backoff: child.Constant(time.Hour), Children: []child.Spec{
			{Name: "a", Run: a.Run}, {Name: "b", Run: b.Run}, {Name: "c", Run: slow(0, time.Second)},
		}})
		b.end(errBoom)
		a.end(errFlush)
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{
			`ERROR failed /root/b err=boom next="restart 1 in 1h0m0s"`,
			`ERROR failed /root/a err="flush: 1,708 rows not written" next="restart 1 in 1h0m0s"`,
		}, log.story()[1:])
		time.Sleep(time.Hour)
		require.Equal(t, []string{
			`INFO ready /root/a restarts=1 down=1h0m1s`,
			`INFO ready /root/b restarts=1 down=1h0m1s`,
		}, log.story()[3:])
	})
}

// All that wait for an answer at the end are logged in the order in which they failed.
func TestFailuresThatTheEndOvertakesAreLoggedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, b := newDiary(slog.LevelInfo), newThinks()
		var want []string
		var specs []child.Spec
		for _, name := range strings.Split("h c a g b e d f", " ") {
			want = append(want, "ERROR failed /root/"+name+" err=boom")
			specs = append(specs, child.Spec{Name: name, Run: failsAfter(time.Duration(len(want)) * time.Second), Backoff: b.make})
		}
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: specs})
		time.Sleep(time.Minute)
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, append(want, `INFO closing /root cause=stopped`, `INFO over /root`), log.story()[1:])
		for range want {
			b.answer <- 0
		}
	})
}

// A child that was stopped by hand is not down any more, however its last run ended.
func TestChildThatWasStoppedByHandIsNotReadyAgain(t *testing.T) {
	for name, second := range map[string]func(ctx child.Context) error{
		"while it waits": func(ctx child.Context) error { <-ctx.Done(); return nil },
		"abandoned":      func(ctx child.Context) error { time.Sleep(time.Minute); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log, runs := newDiary(slog.LevelInfo), 0
				first := newPuppet()
				sup := startLoosely(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{{
					Name: "a", Backoff: child.Constant(10 * time.Second), StartTimeout: 30 * time.Second, Run: func(ctx child.Context) error {
						switch runs++; runs {
						case 1:
							return first.Run(ctx)
						case 2:
							return second(ctx)
						}
						return idle(ctx)
					},
				}}})
				first.end(errBoom)
				if name == "abandoned" {
					time.Sleep(20 * time.Second) // it is starting
				} else {
					time.Sleep(45 * time.Second) // its start has timed out
				}
				_ = sup.StopChild(t.Context(), "a")
				time.Sleep(time.Hour)
				before := len(log.story())
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
				require.Empty(t, log.story()[before:], "it was not down for all that time")
			})
		})
	}
}

// RestartChild of a child that is down brings it up, also if it was about to start.
func TestChildThatIsRestartedByHandWhileItIsDownIsReadyAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, first, runs := newDiary(slog.LevelInfo), newPuppet(), 0
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			switch runs++; runs {
			case 1:
				return first.Run(ctx)
			case 2:
				<-ctx.Done() // it never gets ready
				return nil
			}
			return idle(ctx)
		}}}})
		first.end(errBoom)
		time.Sleep(time.Second)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, `INFO ready /root/a restarts=1 down=1s`, log.story()[2])
	})
}

// Event.Seq counts the events that a subscriber or the log wanted, not those that the log
// only looked at.
func TestSeqCountsOnlyWantedEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, a := newDiary(slog.LevelWarn), newPuppet()
		sup := startLoosely(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "b", Run: func(ctx child.Context) error {
			err := ctx.Ready()
			for range 5 {
				ctx.Unready(errBoom) // the log wants the first alone
			}
			_ = ctx.Ready()
			<-ctx.Done()
			return err
		}}}})
		synctest.Wait()
		var seqs []uint64
		received := make(chan struct{}, 10)
		defer sup.Subscribe(func(e supervisor.Event) { seqs = append(seqs, e.Seq); received <- struct{}{} }, supervisor.EventFailed)()
		a.end(errBoom)
		require.NoError(t, sup.RestartChild(t.Context(), "b")) // stopped, as it should
		a.end(errBoom)
		<-received
		<-received
		require.Equal(t, []uint64{2, 4}, seqs, "one Unready, and one of the next run between")
		require.NoError(t, sup.StopChild(t.Context(), "a"))
	})
}

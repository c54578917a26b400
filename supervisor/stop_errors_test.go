package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// An error that a run returns while it is being stopped leads to no restart. It must still
// be reported.

// flushFails is a Run that returns an error when it is stopped, after a while.
func flushFails(after time.Duration) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		time.Sleep(after)
		return errFlush
	}
}

var errFlush = errors.New("flush: 1,708 rows not written")

func named(names string, run func(child.Context) error) (all []child.Spec) {
	for name := range strings.FieldsSeq(names) {
		all = append(all, child.Spec{Name: name, Run: run})
	}
	return all
}

// dirty returns the paths of the runs that returned an error while they were being
// stopped; nil if there is no StopError.
func dirty(err error) (paths []string) {
	var stop *supervisor.StopError
	if errors.As(err, &stop) {
		for _, e := range stop.Unclean {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

func TestErrorOfAStopIsReturnedToTheCallThatAskedForIt(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		for name, stop := range map[string]func(t *testing.T, sup *supervisor.Supervisor) error{
			"StopChild":      func(t *testing.T, sup *supervisor.Supervisor) error { return sup.StopChild(t.Context(), "a") },
			"StopChild, two": func(t *testing.T, sup *supervisor.Supervisor) error { return sup.StopChild(t.Context(), "b", "a") },
			"RemoveChild":    func(t *testing.T, sup *supervisor.Supervisor) error { return sup.RemoveChild(t.Context(), "a") },
			"StartChild taken back": func(t *testing.T, sup *supervisor.Supervisor) error {
				err := sup.StartChild(t.Context(), child.Spec{Name: "c", Run: flushFails(0)}, child.Spec{Name: "d", Run: noStart})
				require.ErrorIs(t, err, errBoom)
				return err
			},
			"Stop": func(t *testing.T, sup *supervisor.Supervisor) error { return sup.Stop(t.Context()) },
		} {
			t.Run(fmt.Sprint(s, " ", name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					want := map[string][]string{
						"StopChild": {"/root/a"}, "StopChild, two": {"/root/a"}, "RemoveChild": {"/root/a"},
						"StartChild taken back": {"/root/c"}, "Stop": {"/root/a"},
					}[name]
					log := newDiary(slog.LevelWarn)
					sup := startLoosely(t, supervisor.Spec{Strategy: s, Logger: log.Logger, Children: slices.Concat(
						named("a", flushFails(time.Second)), named("b", idle))})
					err := stop(t, sup)
					require.Equal(t, want, dirty(err))
					require.ErrorIs(t, err, errFlush)
					lines := strings.Join(log.lines(), "\n")
					require.Equal(t, 1, strings.Count(lines, errFlush.Error()), lines)
					require.Contains(t, lines, `level=WARN msg="coppice: stopped" path=`+want[0]+` err="flush: 1,708 rows not written"`)
				})
			})
		}
	}
}

func noStart(child.Context) error { return errBoom }

func TestErrorOfAStopIsReportedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := startLoosely(t, supervisor.Spec{Children: named("a b", flushFails(0))})
		require.Equal(t, []string{"/root/a"}, dirty(sup.StopChild(t.Context(), "a")))
		require.NoError(t, sup.StopChild(t.Context(), "a"), "it was stopped before")
		require.Equal(t, []string{"/root/b"}, dirty(sup.Stop(t.Context())))
		require.Equal(t, []string{"/root/b"}, dirty(sup.Wait()))
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, []string{"/root/b", "/root/a"}, dirty(sup.Stop(t.Context())), "each life has its own")
	})
}

func TestErrorOfAStopIsPartOfTheErrorOfServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: named("a b", flushFails(0))})
		ctx, cancel := context.WithCancel(t.Context())
		served := async(func() error { return sup.Serve(ctx) })
		synctest.Wait()
		cancel()
		err := <-served
		require.Equal(t, []string{"/root/b", "/root/a"}, dirty(err))
		require.ErrorIs(t, err, errFlush)
		require.EqualError(t, err, "2 children stopped with an error: /root/b: flush: 1,708 rows not written; /root/a: flush: 1,708 rows not written")
	})
}

func TestErrorOfAStopIsPartOfAStartThatIsTakenBack(t *testing.T) {
	for name, test := range map[string]struct {
		start func(sup *supervisor.Supervisor) error
		want  error
	}{
		"a child that cannot start": {func(sup *supervisor.Supervisor) error { return sup.Start(context.Background()) }, errBoom},
		"the same, of Serve":        {func(sup *supervisor.Supervisor) error { return sup.Serve(context.Background()) }, errBoom},
		"ctx ends": {func(sup *supervisor.Supervisor) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return sup.Start(ctx)
		}, context.DeadlineExceeded},
		"Stop": {func(sup *supervisor.Supervisor) error {
			time.AfterFunc(time.Second, func() { _ = sup.Stop(context.Background()) })
			return sup.Start(context.Background())
		}, child.ErrStopped},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				inner := supervisor.New(supervisor.Spec{Children: named("x", flushFails(0))})
				sup := newRoot(supervisor.Spec{Children: []child.Spec{
					{Name: "a", Run: flushFails(0)}, {Name: "in", Run: inner.Run}, {Name: "b", Run: func(ctx child.Context) error {
						child.Sleep(ctx, time.Minute)
						return errors.Join(ctx.Err(), context.Cause(ctx), errBoom)
					}},
				}})
				if test.want != errBoom {
					require.ErrorIs(t, test.start(sup), test.want)
					require.ElementsMatch(t, []string{"/root/b", "/root/in/x", "/root/a"}, dirty(sup.Wait()))
					return
				}
				err := test.start(sup)
				require.ErrorIs(t, err, errBoom)
				require.Equal(t, []string{"/root/in/x", "/root/a"}, dirty(err), "the failure of b is the reason, not an entry")
			})
		})
	}
}

// tower returns a tree of three levels, each with a child that returns an error when stopped.
func tower(run func(child.Context) error) supervisor.Spec {
	deep := supervisor.New(supervisor.Spec{Children: named("x", run)})
	mid := supervisor.New(supervisor.Spec{Children: append(named("y", run), child.Spec{Name: "deep", Run: deep.Run})})
	return supervisor.Spec{Children: append(named("z", run), child.Spec{Name: "mid", Run: mid.Run})}
}

func TestErrorsOfAStopAtAnyDepthAreListedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := startLoosely(t, tower(flushFails(0)))
		all := []string{"/root/mid/deep/x", "/root/mid/y"}
		require.Equal(t, all, dirty(sup.StopChild(t.Context(), "mid")))
		require.NoError(t, sup.RestartChild(t.Context(), "mid"), "the run before was clean to the end: it was stopped already")
		require.NoError(t, sup.RestartChild(t.Context(), "mid"), "RestartChild reports only abandoned runs")
		require.Equal(t, all[:1], dirty(sup.StopChild(t.Context(), "mid/deep")))
		require.Equal(t, all[1:], dirty(sup.RemoveChild(t.Context(), "mid")))
		require.Equal(t, []string{"/root/z"}, dirty(sup.Stop(t.Context())), "none of an earlier life of mid")

		require.NoError(t, sup.Start(t.Context()))
		err := sup.Stop(t.Context())
		require.Equal(t, append(all, "/root/z"), dirty(err))
		require.Equal(t, 3, strings.Count(err.Error(), errFlush.Error()))
	})
}

// A run may have a supervisor inside more than once, one after another.
func TestErrorsOfAnEarlierSupervisorInOneRunAreNotThoseOfTheStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: append(named("x", flushFails(0)), child.Spec{Name: "bad", Run: failsAfter(time.Minute)})})
		var first error
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: func(ctx child.Context) error {
			first = inner.Run(ctx)
			return inner.Run(ctx)
		}}}})
		time.Sleep(90 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"/root/in/x"}, dirty(first))
		require.Equal(t, []string{"/root/in/x"}, dirty(sup.Stop(t.Context())))
	})
}

func failsAfter(d time.Duration) func(child.Context) error {
	return (&supervisortest.Child{RunFor: d, EndWith: errBoom}).Run
}

// A supervisor that ended by itself before the stop is not part of it. If the run returns
// that supervisor's error when it is stopped, this error is reported.
func TestSupervisorThatEndedBeforeTheStop(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(ended error) error
		want []string
	}{
		"its error is kept for the stop": {func(ended error) error { return ended }, []string{"/root/in/x"}},
		"its error was dealt with":       {func(error) error { return nil }, nil},
		"another error":                  {func(error) error { return errBoom }, []string{"/root/in"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				inner := supervisor.New(supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: append(named("x", flushFails(0)),
					child.Spec{Name: "task", Run: child.Task(func(ctx context.Context) error { return wait(ctx, time.Minute) }), Significant: true, Restart: child.Transient})})
				sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: func(ctx child.Context) error {
					ended := inner.Run(ctx)
					<-ctx.Done()
					return test.end(ended)
				}}}})
				time.Sleep(time.Hour)
				require.Equal(t, test.want, dirty(sup.Stop(t.Context())))
			})
		})
	}
}

// Two supervisors in one run, both stopped with it.
func TestErrorsOfTwoSupervisorsInOneRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first := supervisor.New(supervisor.Spec{Children: named("x", flushFails(0))})
		second := supervisor.New(supervisor.Spec{})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: func(ctx child.Context) error {
			return errors.Join(first.Run(ctx), second.Run(ctx))
		}}}})
		require.Equal(t, []string{"/root/in/x"}, dirty(sup.Stop(t.Context())))
	})
}

// A root that a child runs is not nested, so no parent passes on what it reports.
func TestErrorOfAnotherTreeIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		other := newRoot(supervisor.Spec{Name: "other", Children: named("x", flushFails(0))})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			return other.Serve(ctx)
		}}}})
		synctest.Wait() // it serves
		require.Equal(t, []string{"/root/a: /other/x: stopped with an error: flush: 1,708 rows not written"}, unclean(t, sup.Stop(t.Context())))
	})
}

// The errors of a supervisor are reported also if the run around it hangs.
func TestErrorsBelowARunThatIsAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		around := func(ctx child.Context) error {
			_ = supervisor.New(supervisor.Spec{Children: named("x", flushFails(0))}).Run(ctx)
			return deaf.Run(ctx)
		}
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: around}, {Name: "b", Run: around}}})
		for _, err := range []error{sup.RemoveChild(t.Context(), "b"), sup.Stop(t.Context())} {
			require.Len(t, dirty(err), 1)
			require.ErrorIs(t, err, errFlush)
		}
	})
}

func TestChildThatCrashesBeforeItsTurnInAStopIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		decided := 0
		crashes := newPuppet()
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: crashes.Run, Decide: func(err error) error { decided++; return err }},
			{Name: "b", Run: slow(0, time.Second), StopTimeout: time.Minute},
		}})
		recorded := record(t, sup, supervisor.EventStopping, supervisor.EventStopped, supervisor.EventFailed, supervisor.EventRestarting)
		stopped := async(func() error { return sup.Stop(context.Background()) })
		crashes.end(errBoom)
		require.Equal(t, []string{"/root/a: boom"}, unclean(t, <-stopped))
		require.Equal(t, 1, decided)
		require.Equal(t, []string{"stopping b", "stopped a", "stopped b"}, recorded.lines())
		st, ok := sup.Children()[0], true
		require.True(t, ok)
		require.Equal(t, errBoom, st.LastError)
	})
}

// In a group restart and after a timeout no call has asked for the stop.
func TestErrorOfAStopThatNobodyAskedForIsInTheLogAndTheStatus(t *testing.T) {
	for name, test := range map[string]struct {
		spec   supervisor.Spec
		happen func(t *testing.T, sup *supervisor.Supervisor)
		line   string
	}{
		"group restart": {supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: flushFails(0)}, {Name: "b", Run: failsAfter(time.Second)},
		}}, func(*testing.T, *supervisor.Supervisor) { time.Sleep(time.Second) },
			`level=WARN msg="coppice: stopped" path=/root/a err="flush: 1,708 rows not written"`},
		"RestartChild": {supervisor.Spec{Children: named("a", flushFails(0))}, func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
		}, `level=WARN msg="coppice: stopped" path=/root/a err="flush: 1,708 rows not written"`},
		"Heartbeat": {supervisor.Spec{Children: []child.Spec{{Name: "a", Run: flushFails(0), Heartbeat: time.Second}}},
			func(*testing.T, *supervisor.Supervisor) { time.Sleep(time.Second) },
			`level=ERROR msg="coppice: failed" path=/root/a err="no heartbeat: flush: 1,708 rows not written" next="restart 1 at once"`},
		"StartTimeout": {supervisor.Spec{}, func(t *testing.T, sup *supervisor.Supervisor) {
			err := sup.StartChild(t.Context(), child.Spec{Name: "a", StartTimeout: time.Second, Run: func(ctx child.Context) error {
				<-ctx.Done()
				return errFlush
			}})
			require.ErrorIs(t, err, errFlush)
			require.Empty(t, dirty(err))
		}, `level=ERROR msg="coppice: failed" path=/root/a err="start timeout: flush: 1,708 rows not written" next="not restarted"`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := newDiary(slog.LevelWarn)
				test.spec.Logger = log.Logger
				sup := startLoosely(t, test.spec)
				test.happen(t, sup)
				synctest.Wait()
				if name != "StartTimeout" {
					st, _ := sup.Lookup("a")
					require.ErrorIs(t, st.LastError, errFlush)
					require.Equal(t, time.Now(), st.LastErrorAt)
				}
				text := strings.Join(log.lines(), "\n")
				require.Contains(t, text, test.line)
				require.Equal(t, 1, strings.Count(text, errFlush.Error()), text)
			})
		})
	}
}

func TestDecideSaysWhatIsReportedOfAStop(t *testing.T) {
	errOther := errors.New("other")
	for name, test := range map[string]struct {
		run    func(child.Context) error
		decide func(error) error
		asked  int
		want   []string
	}{
		"harmless now":     {flushFails(0), func(error) error { return child.ErrDone }, 1, nil},
		"nil":              {flushFails(0), func(error) error { return nil }, 1, nil},
		"another":          {flushFails(0), func(error) error { return errOther }, 1, []string{"/root/a: other"}},
		"escalates":        {flushFails(0), child.Escalate, 1, []string{"/root/a: escalated: flush: 1,708 rows not written"}},
		"panics":           {flushFails(0), func(error) error { panic("decide") }, 1, []string{"/root/a: panic: decide"}},
		"Goexit":           {flushFails(0), func(error) error { runtime.Goexit(); return nil }, 1, []string{"/root/a: " + child.ErrGoexit.Error()}},
		"of what was fine": {func(ctx child.Context) error { _ = ctx.Ready(); <-ctx.Done(); return ctx.Err() }, func(error) error { return errOther }, 1, []string{"/root/a: other"}},
		"not of nil":       {idle, func(error) error { return errOther }, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				asked := 0
				sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: test.run, Decide: func(err error) error {
					asked++
					return test.decide(err)
				}}}})
				recorded := record(t, sup, supervisor.EventRestarting, supervisor.EventFailed, supervisor.EventGaveUp)
				err := sup.Stop(t.Context())
				if test.want == nil {
					require.NoError(t, err)
				} else {
					require.Equal(t, test.want, unclean(t, err))
				}
				require.Equal(t, test.asked, asked)
				require.Empty(t, recorded.take())
			})
		})
	}
}

// Many independent children end in batches, and their errors come in between.
func TestErrorsOfVeryManyIndependentChildrenAreAllThereAndTheTextIsShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const many = 1000
		sup := newRoot(supervisor.Spec{Strategy: strategy.Independent})
		require.NoError(t, sup.Start(t.Context()))
		var specs []child.Spec
		for i := range many {
			run := flushFails(0)
			if i%2 == 1 {
				run = idle
			}
			specs = append(specs, child.Spec{Name: fmt.Sprint(i), Run: run})
		}
		require.NoError(t, sup.StartChild(t.Context(), specs...))
		err := sup.Stop(t.Context())
		paths := dirty(err)
		require.Len(t, paths, many/2)
		slices.Sort(paths)
		require.Len(t, slices.Compact(paths), many/2)
		require.ErrorIs(t, err, errFlush)
		require.Less(t, len(err.Error()), 400)
		require.Contains(t, err.Error(), "500 children stopped with an error: ")
		require.Contains(t, err.Error(), " and 495 more")
		var one *supervisor.ChildError
		require.ErrorAs(t, err, &one)
	})
}

func TestPanicsAndGoexitsOfAStopAreNeverHarmless(t *testing.T) {
	for name, end := range map[string]func(ctx child.Context) error{
		"panic(context.Canceled)": func(ctx child.Context) error { panic(context.Canceled) },
		"panic(cause)":            func(ctx child.Context) error { panic(context.Cause(ctx)) },
		"Goexit":                  func(ctx child.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := startLoosely(t, supervisor.Spec{Children: named("a", func(ctx child.Context) error {
					_ = ctx.Ready()
					<-ctx.Done()
					return end(ctx)
				})})
				require.Equal(t, []string{"/root/a"}, dirty(sup.Stop(t.Context())))
			})
		})
	}
}

// wait is a task that takes so long.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A supervisor that gives up while it is being stopped has its own entry in the report.
// The errors of its runs are not repeated in it.
func TestSupervisorThatGaveUpAsTheStopCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{
			{Name: "x", Run: flushFails(time.Minute), StopTimeout: child.Forever}, {Name: "bad", Run: failsAfter(time.Second)},
		}})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{
			"/root/in/x: flush: 1,708 rows not written",
			"/root/in: /root/in: gave up: more than 0 restarts in 1s: /root/in/bad: boom",
		}, unclean(t, sup.Stop(t.Context())))
	})
}

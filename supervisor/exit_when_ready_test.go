package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// An aftermath is what an end looks like from outside: the kinds of the events in
// order, the first error among them, its stack, and the resulting state of the
// child: a state, "gone", or "gave up" with its supervisor.
type aftermath struct {
	events string
	err    error
	stack  []byte
	left   string
}

func aftermathOf(sup *supervisor.Supervisor, recorded *recorder) aftermath {
	var a aftermath
	var kinds []string
	for _, e := range recorded.take() {
		kinds = append(kinds, e.Kind.String())
		if a.err == nil {
			a.err, a.stack = e.Err, e.Stack
		}
	}
	a.events = strings.Join(kinds, " ")
	a.left = "gone"
	if st, known := sup.Lookup("a"); known {
		a.left = st.State.String()
	} else if strings.Contains(a.events, "gave-up") {
		a.left = "gave up"
	}
	return a
}

// endOf ends a ready child by the given function.
func endOf(t *testing.T, spec child.Spec, end func() error) aftermath {
	t.Helper()
	p := newPuppet()
	spec.Name, spec.Run = "a", p.Run
	sup := start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{spec}})
	recorded := record(t, sup)
	p.endBy(end)
	return aftermathOf(sup, recorded)
}

// returning is an end by return.
func returning(err error) func() error { return func() error { return err } }

func explode() error { panic("boom") }

func goexit() error {
	runtime.Goexit()
	return nil
}

const (
	wasRestarted = "restarting starting ready"
	onceFailed   = "failed "
	onceWell     = "completed "
)

// The rows of the table "How a run ends", once it was ready, by restart type.
func TestEndOfAReadyRunCountsAsTheTableSays(t *testing.T) {
	for _, c := range []struct {
		name                            string
		end                             func() error
		permanent, transient, temporary string // events, and the resulting state of the child
	}{
		{
			"nil", returning(nil),
			onceWell + wasRestarted + ": running", "completed: done", "completed removed: gone",
		},
		{
			"an error", returning(errBoom),
			onceFailed + wasRestarted + ": running", onceFailed + wasRestarted + ": running", "failed removed: gone",
		},
		{
			"a panic", explode,
			onceFailed + wasRestarted + ": running", onceFailed + wasRestarted + ": running", "failed removed: gone",
		},
		{
			"Goexit", goexit,
			onceFailed + wasRestarted + ": running", onceFailed + wasRestarted + ": running", "failed removed: gone",
		},
		{
			"ErrIgnore, which after Ready is a failure", returning(child.ErrIgnore),
			onceFailed + wasRestarted + ": running", onceFailed + wasRestarted + ": running", "failed removed: gone",
		},
		{
			"ErrShutdown", returning(child.ErrShutdown),
			onceWell + wasRestarted + ": running", "completed: done", "completed removed: gone",
		},
		{
			"ErrDone", returning(child.ErrDone),
			"completed: done", "completed: done", "completed removed: gone",
		},
		{
			"Escalate", returning(child.Escalate(errBoom)),
			"failed gave-up: gave up", "failed gave-up: gave up", "failed gave-up: gave up",
		},
		{
			"Escalate of nothing", returning(child.Escalate(nil)),
			"failed gave-up: gave up", "failed gave-up: gave up", "failed gave-up: gave up",
		},
		{
			"another context's Canceled", returning(context.Canceled),
			onceFailed + wasRestarted + ": running", onceFailed + wasRestarted + ": running", "failed removed: gone",
		},
		{
			"another context's DeadlineExceeded", returning(context.DeadlineExceeded),
			onceFailed + wasRestarted + ": running", onceFailed + wasRestarted + ": running", "failed removed: gone",
		},
	} {
		for restart, want := range map[child.Restart]string{
			child.Permanent: c.permanent, child.Transient: c.transient, child.Temporary: c.temporary,
		} {
			t.Run(fmt.Sprint(c.name, "/", restart), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					a := endOf(t, child.Spec{Restart: restart}, c.end)
					require.Equal(t, want, a.events+": "+a.left)
				})
			})
		}
	}
}

func TestFailureIsTheErrorThatRunReturned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		require.Same(t, errBoom, endOf(t, child.Spec{}, returning(errBoom)).err)
	})
}

func TestGoexitIsAFailureWithErrGoexit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		require.Same(t, child.ErrGoexit, endOf(t, child.Spec{}, goexit).err)
	})
}

// What t.FailNow does, without failing this test.
func TestFailNowIsAFailureWithErrGoexit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{}, func() error {
			require.FailNow(failNower{}, "no")
			return nil
		})
		require.Same(t, child.ErrGoexit, a.err)
		require.Equal(t, onceFailed+wasRestarted, a.events)
	})
}

type failNower struct{}

func (failNower) Errorf(string, ...any) {}
func (failNower) FailNow()              { runtime.Goexit() }

func TestPanicIsAFailureWithValueAndStack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{}, explode)
		var panicked *child.PanicError
		require.ErrorAs(t, a.err, &panicked)
		require.Equal(t, "boom", panicked.Value)
		require.EqualError(t, a.err, "panic: boom")
		require.Contains(t, string(panicked.Stack()), "supervisor_test.explode\n")
		require.True(t, strings.HasPrefix(string(a.stack), "github.com/coppice-go/coppice/supervisor_test.explode\n"),
			"the event's stack begins where it happened:\n%s", a.stack)
	})
}

type brokenPipe struct{ fd int }

func (e *brokenPipe) Error() string { return fmt.Sprintf("pipe %d is broken", e.fd) }

func TestPanicWithAnErrorUnwrapsToIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{}, func() error { panic(fmt.Errorf("writing: %w", &brokenPipe{7})) })
		var pipe *brokenPipe
		require.ErrorAs(t, a.err, &pipe)
		require.Equal(t, 7, pipe.fd)
		require.EqualError(t, a.err, "panic: writing: pipe 7 is broken")
	})
}

func TestRuntimePanicIsAFailureThatNamesTheUsersFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{}, readNil)
		var fault runtime.Error
		require.ErrorAs(t, a.err, &fault)
		require.True(t, strings.HasPrefix(string(a.stack), "github.com/coppice-go/coppice/supervisor_test.readNil\n"), "%s", a.stack)
	})
}

func readNil() error {
	var pipe *brokenPipe
	return fmt.Errorf("pipe %d", pipe.fd)
}

func TestPanicWithNilIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{Restart: child.Transient}, func() error { panic(nil) })
		var panicked *runtime.PanicNilError
		require.ErrorAs(t, a.err, &panicked)
		require.Equal(t, onceFailed+wasRestarted, a.events)
	})
}

func TestPanicWithASentinelActsAsTheSentinel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{}, func() error { panic(child.Escalate(errBoom)) })
		require.Equal(t, "gave up", a.left)
	})
}

// A recovered panic replaces the Goexit in which it happened, but Go continues the
// Goexit after the recovery. The goroutine is lost, the child is not.
func TestPanicInADeferThatGoexitRunsIsAFailureAndTheChildIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{}, func() error {
			defer explode() //nolint:errcheck
			runtime.Goexit()
			return nil
		})
		require.EqualError(t, a.err, "panic: boom")
		require.Equal(t, onceFailed+wasRestarted, a.events)
		require.Equal(t, "running", a.left)
	})
}

// The error that a run returns while it is being stopped is in the event and is no failure.
func TestEndOfARunThatIsBeingStoppedIsNoFailure(t *testing.T) {
	ends := map[string]func() error{
		"nil": returning(nil), "an error": returning(errBoom), "a panic": explode, "Goexit": goexit,
		"ErrIgnore": returning(child.ErrIgnore), "ErrShutdown": returning(child.ErrShutdown),
		"ErrDone": returning(child.ErrDone), "Escalate": returning(child.Escalate(errBoom)),
	}
	for name, end := range ends {
		for _, ready := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/ready %v", name, ready), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					asked := 0
					sup := start(t, supervisor.Spec{Intensity: strategy.AtMost(0, time.Second)})
					recorded := record(t, sup)
					added := make(chan error, 1)
					go func() {
						added <- sup.StartChild(t.Context(), child.Spec{
							Name:   "a",
							Decide: func(err error) error { asked++; return err },
							Run: func(ctx child.Context) error {
								if ready {
									if err := ctx.Ready(); err != nil {
										return err
									}
								}
								<-ctx.Done()
								return end()
							},
						})
					}()
					synctest.Wait()
					err := sup.StopChild(t.Context(), "a")
					switch name {
					case "nil", "ErrDone", "ErrShutdown", "ErrIgnore":
						require.NoError(t, err)
					default:
						require.Len(t, unclean(t, err), 1)
					}
					if ready {
						require.NoError(t, <-added)
					} else {
						require.ErrorIs(t, <-added, child.ErrStopped)
					}
					events := recorded.take()
					var kinds []string
					for _, e := range events {
						kinds = append(kinds, e.Kind.String())
						if e.Kind != supervisor.EventStopped {
							continue
						}
						switch name {
						case "nil":
							require.NoError(t, e.Err)
						case "a panic":
							require.EqualError(t, e.Err, "panic: boom")
							require.Contains(t, string(e.Stack), "supervisor_test.explode\n")
						case "Goexit":
							require.Same(t, child.ErrGoexit, e.Err)
						default:
							require.Equal(t, end(), e.Err)
						}
					}
					require.Contains(t, kinds, "stopped")
					require.NotContains(t, kinds, "failed")
					require.NotContains(t, kinds, "gave-up")
					require.NoError(t, sup.Health())
					require.Equal(t, name != "nil", asked > 0, "Decide decides what is reported")
				})
			})
		}
	}
}

func TestStoppedRunThatReturnsItsContextsErrorIsNoFailure(t *testing.T) {
	for _, end := range []func(child.Context) error{
		func(ctx child.Context) error { return ctx.Err() },
		func(ctx child.Context) error { return context.Cause(ctx) },
	} {
		bubble(t, func(t *testing.T) {
			sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				<-ctx.Done()
				return end(ctx)
			}}}})
			recorded := record(t, sup, supervisor.EventFailed)
			require.NoError(t, sup.StopChild(t.Context(), "a"))
			require.Empty(t, recorded.take())
			st, _ := sup.Lookup("a")
			require.Equal(t, child.Stopped, st.State)
			require.NoError(t, st.LastError)
		})
	}
}

package adapt_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/adapt"
	"github.com/coppice-go/coppice/supervisor"
)

var (
	errBoom = errors.New("boom")
	quiet   = slog.New(slog.DiscardHandler)
)

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer goleak.VerifyNone(t)
	synctest.Test(t, f)
}

// A pair is an actor that returns what end receives or when it is interrupted. It records
// the reasons of its interrupts.
type pair struct {
	end chan error
	why []error
}

func newPair() *pair { return &pair{end: make(chan error, 1)} }

func (p *pair) execute() error { return <-p.end }

func (p *pair) interrupt(why error) {
	p.why = append(p.why, why)
	select {
	case p.end <- why:
	default:
	}
}

func start(t *testing.T, c child.Spec) *supervisor.Supervisor {
	c.Name = "a"
	sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{c}})
	require.NoError(t, sup.Start(t.Context()))
	t.Cleanup(func() { _ = sup.Stop(context.Background()) })
	return sup
}

func TestStoppedActorIsInterruptedWithTheCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair()
		sup := start(t, child.Spec{Run: adapt.Actor(p.execute, p.interrupt)})
		synctest.Wait()
		require.Empty(t, p.why)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Len(t, p.why, 1)
		require.ErrorIs(t, p.why[0], child.ErrStopped)
	})
}

func TestActorThatEndsIsInterruptedOnceAndRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		end := make(chan error)
		var why []error
		quit := func(err error) {
			why = append(why, err)
			select {
			case end <- nil:
			default: // it has ended
			}
		}
		sup := start(t, child.Spec{Run: adapt.Actor(func() error { return <-end }, quit)})
		end <- errBoom
		synctest.Wait()
		require.Equal(t, []error{errBoom}, why)
		st, _ := sup.Lookup("a")
		require.Equal(t, child.Running, st.State)
		require.Equal(t, 1, st.Restarts)
		require.NoError(t, sup.Stop(t.Context()))
		require.Len(t, why, 2, "again for the second run")
	})
}

func TestActorsMakesAPairForEachRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var pairs []*pair
		sup := start(t, child.Spec{Backoff: child.Constant(time.Second), Run: adapt.Actors(func() (func() error, func(error), error) {
			if len(pairs) == 1 {
				pairs = append(pairs, nil)
				return nil, nil, errBoom
			}
			p := newPair()
			pairs = append(pairs, p)
			return p.execute, p.interrupt, nil
		})})
		pairs[0].end <- errBoom
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, pairs, 3, "the second one failed to start")
		require.Equal(t, []error{errBoom}, pairs[0].why)
		require.NoError(t, sup.Stop(t.Context()))
		require.Len(t, pairs[2].why, 1)
	})
}

func TestPanicInInterruptIsAnErrorOfTheRun(t *testing.T) {
	for _, stopped := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			end := make(chan error, 1)
			var panicked *child.PanicError
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- adapt.Actor(func() error { return <-end }, func(error) {
					if stopped {
						end <- errBoom
					}
					panic("interrupt is broken")
				})(child.FromContext(ctx))
			}()
			if !stopped {
				end <- errBoom
			}
			synctest.Wait()
			cancel()
			err := <-done
			require.ErrorAs(t, err, &panicked)
			require.ErrorIs(t, err, errBoom)
		})
	}
}

func TestActorThatPanicsOrExitsIsInterruptedToo(t *testing.T) {
	for name, end := range map[string]func() error{
		"panic":  func() error { panic("execute is broken") },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var why []error
				sup := start(t, child.Spec{
					Restart: child.Temporary,
					Run:     adapt.Actor(end, func(err error) { why = append(why, err) }),
				})
				synctest.Wait()
				require.Equal(t, []error{child.ErrGoexit}, why)
				require.Empty(t, sup.Children())
			})
		})
	}
}

func TestActorReturnsTheErrorOfExecuteUnchanged(t *testing.T) {
	run := adapt.Actor(func() error { return errBoom }, func(error) {})
	require.True(t, run(child.FromContext(t.Context())) == errBoom, "the same error, not wrapped")
}

func TestActorStoppedBeforeReadyIsNotExecuted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errBoom)
	var why []error
	err := adapt.Actor(func() error { panic("executed") }, func(err error) { why = append(why, err) })(child.FromContext(ctx))
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, []error{errBoom}, why)
}

func TestFuncEndsLikeItsFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		end := make(chan error)
		sup := start(t, child.Spec{Restart: child.Transient, Run: adapt.Func(func() error { return <-end })})
		end <- errBoom
		synctest.Wait()
		st, _ := sup.Lookup("a")
		require.Equal(t, 1, st.Restarts)
		end <- nil
		synctest.Wait()
		st, _ = sup.Lookup("a")
		require.Equal(t, child.Done, st.State)
	})
}

func TestAdaptersOfNilAreNil(t *testing.T) {
	require.Nil(t, adapt.Func(nil))
	require.Nil(t, adapt.Actors(nil))
	require.Nil(t, adapt.Actor(nil, func(error) {}))
	require.Nil(t, adapt.Actor(func() error { return nil }, nil))
}

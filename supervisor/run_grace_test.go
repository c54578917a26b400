package supervisor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A grace is what a run saw of its Grace: how long after the stop it ended, and
// how; forever if it did not before Run returned.
type grace struct {
	after time.Duration
	view  view
}

// graceOf runs a child that calls Grace before or after the stop, waits for it to
// end, at most for a day, and returns what it saw.
func graceOf(t *testing.T, spec child.Spec, early bool) grace {
	t.Helper()
	saw := make(chan grace, 1)
	spec.Name = "a"
	spec.Run = func(ctx child.Context) error {
		var g context.Context
		if early {
			g = ctx.Grace()
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		stopped := time.Now()
		if !early {
			g = ctx.Grace()
		}
		if g.Err() == nil {
			child.Sleep(g, 24*time.Hour)
		}
		saw <- grace{time.Since(stopped), viewOf(g)}
		return nil
	}
	sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
	time.Sleep(time.Minute) // the time before the stop does not count
	require.NoError(t, sup.StopChild(t.Context(), "a"))
	return <-saw
}

func TestGraceEndsAtNineTenthsOfTheStopTimeout(t *testing.T) {
	for _, c := range []struct {
		name string
		spec child.Spec
		want time.Duration
	}{
		{"the default", child.Spec{}, 4500 * time.Millisecond},
		{"a second", child.Spec{StopTimeout: time.Second}, 900 * time.Millisecond},
		{"an hour", child.Spec{StopTimeout: time.Hour}, 54 * time.Minute},
		{"Forever", child.Spec{StopTimeout: child.Forever}, 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, early := range []bool{true, false} {
				bubble(t, func(t *testing.T) {
					g := graceOf(t, c.spec, early)
					require.Equal(t, c.want, g.after, "called before the stop: %v", early)
					if c.spec.StopTimeout == child.Forever {
						require.NoError(t, g.view.err)
					} else {
						require.ErrorIs(t, g.view.cause, context.DeadlineExceeded)
					}
				})
			}
		})
	}
}

func TestGraceAskedForAfterTheStopHasADeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		require.True(t, graceOf(t, child.Spec{}, false).view.deadline)
	})
	bubble(t, func(t *testing.T) {
		require.False(t, graceOf(t, child.Spec{StopTimeout: child.Forever}, false).view.deadline)
	})
}

// The run is abandoned at once: there is no time to clean up in.
func TestGraceOfAChildStoppedAtOnceHasEnded(t *testing.T) {
	for _, early := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			require.Zero(t, graceOf(t, child.Spec{StopTimeout: child.AtOnce}, early).after)
		})
	}
}

func TestGraceIsOneContextThatOutlivesDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var graces []context.Context
		var inTheEnd context.Context
		alive := true
		sup := start(t, supervisor.Spec{})
		ctx := context.WithValue(t.Context(), valueKey{"not the root's"}, 1)
		require.NoError(t, sup.StartChild(ctx, child.Spec{Name: "a", Run: func(ctx child.Context) error {
			graces = append(graces, ctx.Grace())
			_ = ctx.Ready()
			<-ctx.Done()
			derived, cancel := context.WithCancel(ctx)
			cancel()
			graces = append(graces, ctx.Grace(), child.FromContext(derived).Grace())
			for _, g := range graces {
				alive = alive && g.Err() == nil
			}
			inTheEnd = ctx.Grace()
			return nil
		}}))
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.True(t, alive)
		for _, g := range graces {
			require.Same(t, graces[0], g)
		}
		require.Error(t, inTheEnd.Err(), "it ends when Run returns")
	})
}

func TestGraceEndsWhenRunReturns(t *testing.T) {
	for name, end := range map[string]func() error{"nil": returning(nil), "an error": returning(errBoom), "a panic": explode, "Goexit": goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var of child.Context
				var g context.Context
				sup := start(t, supervisor.Spec{})
				require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Restart: child.Temporary, Run: func(ctx child.Context) error {
					of, g = ctx, ctx.Grace()
					_ = ctx.Ready()
					return end()
				}}))
				synctest.Wait()
				require.Error(t, g.Err())
				require.Same(t, g, of.Grace())
			})
		})
	}
}

func TestGraceAskedForAfterTheEndHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var of child.Context
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", StopTimeout: child.Forever, Run: func(ctx child.Context) error {
			of = ctx
			return newPuppet().Run(ctx)
		}}}})
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Error(t, of.Grace().Err())
	})
}

// The grace of an abandoned run is over.
func TestGraceOfAnAbandonedRunHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release, saw := make(chan struct{}), make(chan error, 4)
		run := func(before, after bool) func(child.Context) error {
			return func(ctx child.Context) error {
				if before {
					ctx.Grace()
				}
				_ = ctx.Ready()
				<-ctx.Done()
				if !after {
					ctx.Grace()
				}
				<-release
				saw <- ctx.Grace().Err()
				return nil
			}
		}
		// Each has an hour, all together have a second.
		sup := start(t, supervisor.Spec{StopTimeout: time.Second, Children: []child.Spec{
			{Name: "asks before", StopTimeout: time.Hour, Run: run(true, false)},
			{Name: "asks while stopping", StopTimeout: time.Hour, Run: run(false, false)},
			{Name: "asks when it is too late", StopTimeout: time.Hour, Run: run(false, true)},
		}})
		var left *supervisor.StopError
		require.ErrorAs(t, sup.Stop(t.Context()), &left)
		require.Len(t, left.Abandoned, 3)
		synctest.Wait()
		close(release)
		for range left.Abandoned {
			require.Error(t, <-saw)
		}
	})
}

// A forced close between the end of the grace and the stop timeout is in time.
func TestForcedCloseAfterTheGraceFitsInBeforeTheRunIsAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			<-ctx.Done()
			<-ctx.Grace().Done()
			time.Sleep(400 * time.Millisecond) // of the half second that is left
			return errBoom
		}}}})
		recorded := record(t, sup)
		require.Equal(t, []string{"/root/a: boom"}, unclean(t, sup.StopChild(t.Context(), "a")))
		require.Equal(t, []string{"stopping a", "stopped a"}, recorded.lines())
	})
}

// A type that wraps a supervisor has its stop timeout for itself once the
// supervisor in it has ended, however long that took; its grace too.
func TestGraceOfAWrapperBeginsWhenTheSupervisorInItHasEnded(t *testing.T) {
	for _, c := range []struct {
		early              bool // called before the stop
		stopTimeout, grace time.Duration
	}{
		{true, 0, 4500 * time.Millisecond}, {true, 30 * time.Second, 27 * time.Second},
		{false, 0, 4500 * time.Millisecond}, {false, 30 * time.Second, 27 * time.Second},
	} {
		bubble(t, func(t *testing.T) {
			saw := make(chan time.Duration, 1)
			inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "slow", StopTimeout: time.Minute, Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				<-ctx.Done()
				time.Sleep(20 * time.Second)
				return nil
			}}}})
			sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "wrapper", StopTimeout: c.stopTimeout, Run: func(ctx child.Context) error {
				if c.early {
					ctx.Grace()
				}
				if err := inner.Run(ctx); err != nil {
					return err
				}
				ended := time.Now()
				<-ctx.Grace().Done()
				saw <- time.Since(ended)
				return nil
			}}}})
			require.NoError(t, sup.StopChild(t.Context(), "wrapper"))
			require.Equal(t, c.grace, <-saw, "%+v", c)
		})
	}
}

// A webServer is one as in the README: it drains in its grace, and is closed by
// force when that is over.
type webServer struct {
	handler http.HandlerFunc
	addr    chan string
	stopped chan struct{} // closed when its context is cancelled
	drained chan error    // what Shutdown returned
}

func newWebServer(handler http.HandlerFunc) *webServer {
	return &webServer{handler, make(chan string, 1), make(chan struct{}), make(chan error, 1)}
}

func (w *webServer) Run(ctx child.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: w.handler, BaseContext: func(net.Listener) context.Context { return ctx.Grace() }}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	w.addr <- "http://" + ln.Addr().String()
	if err := ctx.Ready(); err != nil {
		return errors.Join(err, srv.Close())
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		close(w.stopped)
		err := srv.Shutdown(ctx.Grace())
		w.drained <- err
		if err != nil {
			return errors.Join(err, srv.Close())
		}
		return nil
	}
}

// get requests a page from the server, in the background.
func get(url string) (answer chan string) {
	answer = make(chan string, 1)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		resp, err := client.Get(url)
		if err != nil {
			answer <- "cut off"
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	return answer
}

func TestRequestInFlightIsServedInTheGrace(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	var w *webServer
	asked := make(chan struct{})
	w = newWebServer(func(out http.ResponseWriter, r *http.Request) {
		close(asked)
		<-w.stopped
		if err := r.Context().Err(); err != nil {
			http.Error(out, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(out, "bye from "+child.FromContext(r.Context()).Path())
	})
	sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "web", Run: w.Run, StopTimeout: time.Minute}}})
	answer := get(<-w.addr)
	<-asked
	require.NoError(t, sup.StopChild(t.Context(), "web"))
	require.NoError(t, <-w.drained)
	require.Equal(t, "bye from /root/web", <-answer)
}

func TestRequestThatHangsIsCutOffBeforeTheServerIsAbandoned(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	asked, release := make(chan struct{}), make(chan struct{})
	w := newWebServer(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release // deaf to the end of its request
	})
	t.Cleanup(func() { close(release) })
	sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "web", Run: w.Run, StopTimeout: time.Second}}})
	answer := get(<-w.addr)
	<-asked
	require.NoError(t, sup.StopChild(t.Context(), "web"), "not abandoned")
	require.Error(t, <-w.drained)
	require.Equal(t, "cut off", <-answer)
}

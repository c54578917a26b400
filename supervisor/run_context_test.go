package supervisor_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

type valueKey struct{ name string }

// A view is what the methods of a context return.
type view struct {
	err, cause error
	deadline   bool
}

func viewOf(ctx context.Context) view {
	_, deadline := ctx.Deadline()
	return view{ctx.Err(), context.Cause(ctx), deadline}
}

func TestContextsDerivedInRunEndWithItAndWithItsCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var plain, timed, valued, derivedTwice, foreign context.Context
		called := make(chan error, 1)
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			var cancel context.CancelFunc
			plain, cancel = context.WithCancel(ctx)
			defer cancel()
			timed, cancel = context.WithTimeout(ctx, time.Hour)
			defer cancel()
			valued = context.WithValue(ctx, valueKey{"inner"}, 1)
			derivedTwice, cancel = context.WithCancel(child.FromContext(plain))
			defer cancel()
			foreign, cancel = context.WithCancel(notOfTheLibrary{ctx})
			defer cancel()
			context.AfterFunc(ctx, func() { called <- context.Cause(ctx) })
			if err := ctx.Ready(); err != nil {
				return err
			}
			for _, derived := range []context.Context{plain, timed, valued, derivedTwice, foreign} {
				<-derived.Done()
			}
			return nil
		}}}})
		for _, ctx := range []context.Context{plain, timed, valued, derivedTwice, foreign} {
			require.NoError(t, ctx.Err())
		}
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Equal(t, view{context.Canceled, child.ErrStopped, false}, viewOf(plain))
		require.Equal(t, view{context.Canceled, child.ErrStopped, true}, viewOf(timed))
		require.Equal(t, view{context.Canceled, child.ErrStopped, false}, viewOf(valued))
		require.Equal(t, view{context.Canceled, child.ErrStopped, false}, viewOf(derivedTwice))
		require.Equal(t, view{context.Canceled, child.ErrStopped, false}, viewOf(foreign))
		require.Same(t, child.ErrStopped, <-called)
	})
}

// notOfTheLibrary is a decorator of a kind that the context package cannot see
// through: it has a Done of its own.
type notOfTheLibrary struct{ ctx child.Context }

func (n notOfTheLibrary) Deadline() (time.Time, bool) { return n.ctx.Deadline() }
func (n notOfTheLibrary) Err() error                  { return n.ctx.Err() }
func (n notOfTheLibrary) Value(key any) any           { return n.ctx.Value(key) }
func (n notOfTheLibrary) Done() <-chan struct{} {
	done := make(chan struct{})
	context.AfterFunc(n.ctx, func() { close(done) })
	return done
}

func TestTimeoutDerivedInRunEndsByItselfAndTheRunGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			timed, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-timed.Done()
			if !errors.Is(timed.Err(), context.DeadlineExceeded) || ctx.ShouldHalt() {
				return child.Escalate(errBoom)
			}
			return newPuppet().Run(ctx)
		}}}})
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}

func TestContextIsCancelledWhenRunReturns(t *testing.T) {
	for name, end := range map[string]func() error{"nil": returning(nil), "an error": returning(errBoom), "a panic": explode, "Goexit": goexit} {
		for _, ready := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var of child.Context
					seen := make(chan view, 1)
					sup := start(t, supervisor.Spec{})
					err := sup.StartChild(t.Context(), child.Spec{Name: "a", Restart: child.Temporary, Run: func(ctx child.Context) error {
						of = ctx
						derived, cancel := context.WithCancel(ctx)
						_ = cancel // the run does not clean up, its context does
						context.AfterFunc(derived, func() { seen <- viewOf(derived) })
						if ready {
							if err := ctx.Ready(); err != nil {
								return err
							}
						}
						return end()
					}})
					if ready || name == "nil" {
						require.NoError(t, err)
					} else {
						require.Error(t, err)
					}
					require.Equal(t, view{context.Canceled, context.Canceled, false}, <-seen, "no call stopped it")
					require.True(t, of.ShouldHalt())
					require.Equal(t, context.Canceled, of.Err())
				})
			})
		}
	}
}

// The contexts derived in a run are cancelled before its end is published.
func TestContextIsCancelledBeforeTheNextRunBegins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var last child.Context
		late := false
		p := newPuppet()
		start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			late = late || last != nil && last.Err() == nil
			last = ctx
			return p.Run(ctx)
		}}}})
		for range 3 {
			p.end(errBoom)
		}
		require.False(t, late)
	})
}

func TestRequestInFlightEndsWithItsChild(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	asked := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	failed := make(chan error, 1)
	sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		failed <- err
		return err
	}}}})
	<-asked
	require.NoError(t, sup.StopChild(t.Context(), "a"))
	require.ErrorIs(t, <-failed, child.ErrStopped)
	require.Equal(t, child.Stopped, state(t, sup, "a"))
	st, _ := sup.Lookup("a")
	require.NoError(t, st.LastError, "the failed request is no failure of the child")
}

// asRoot runs a supervisor as a root in one of the two ways, and returns what
// stops it.
var asRoot = map[string]func(t *testing.T, ctx context.Context, sup *supervisor.Supervisor) (stop func() error){
	"Start": func(t *testing.T, ctx context.Context, sup *supervisor.Supervisor) func() error {
		require.NoError(t, sup.Start(ctx))
		return func() error { return sup.Stop(context.Background()) }
	},
	"Serve": func(t *testing.T, ctx context.Context, sup *supervisor.Supervisor) func() error {
		ctx, cancel := context.WithCancel(ctx)
		served := make(chan error, 1)
		go func() { served <- sup.Serve(ctx) }()
		synctest.Wait()
		return func() error {
			cancel()
			return <-served
		}
	},
}

func TestValuesOfTheRootsContextAreThereForTheWholeRun(t *testing.T) {
	for name, run := range asRoot {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var missed, looks atomic.Int32
				check := func(ctx context.Context) {
					if ctx.Value(valueKey{"tenant"}) != "shop" {
						missed.Add(1)
					}
				}
				leaf := func(ctx child.Context) error {
					check(ctx)
					if err := ctx.Ready(); err != nil {
						return err
					}
					for !child.Sleep(ctx, time.Second) {
						check(ctx)
						looks.Add(1)
					}
					check(ctx)
					check(ctx.Grace())
					derived, cancel := context.WithCancel(ctx)
					defer cancel()
					check(child.FromContext(derived))
					return nil
				}
				inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "leaf", Run: leaf}}})
				root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
					{Name: "a", Run: leaf}, {Name: "inner", Run: inner.Run},
				}})
				stop := run(t, context.WithValue(t.Context(), valueKey{"tenant"}, "shop"), root)
				time.Sleep(2500 * time.Millisecond)
				require.NoError(t, root.StartChild(context.WithValue(t.Context(), valueKey{"tenant"}, "other"), child.Spec{Name: "b", Run: leaf}))
				require.NoError(t, stop())
				require.Zero(t, missed.Load())
				require.EqualValues(t, 4, looks.Load())
			})
		})
	}
}

func TestEndOfStartsContextDoesNotReachChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		limited, cancelLimited := context.WithTimeout(parent, time.Second)
		defer cancelLimited()
		var of child.Context
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "leaf", Run: func(ctx child.Context) error {
			of = ctx
			return newPuppet().Run(ctx)
		}}}})
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		require.NoError(t, sup.Start(limited))
		_, has := of.Deadline()
		require.False(t, has, "nor its deadline")
		cancel()
		time.Sleep(time.Hour)
		require.NoError(t, of.Err())
		require.NoError(t, sup.Health())
		require.NoError(t, sup.Stop(t.Context()))
		require.Same(t, child.ErrStopped, context.Cause(of))
	})
}

// The end of Serve's context stops the tree in order. A child in front still
// works while those behind it stop, although the context has ended.
func TestEndOfServesContextReachesAChildInItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var first child.Context
		var meanwhile error
		root, cancel := context.WithCancel(t.Context())
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "first", Run: func(ctx child.Context) error {
				first = ctx
				return newPuppet().Run(ctx)
			}},
			{Name: "second", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				<-ctx.Done()
				time.Sleep(time.Second)
				meanwhile = first.Err()
				return nil
			}},
		}})
		served := make(chan error, 1)
		go func() { served <- sup.Serve(root) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-served)
		require.NoError(t, meanwhile)
		require.Error(t, first.Err())
	})
}

func TestPathAndRestarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var paths []string
		var restarts []int
		p := newPuppet()
		leaf := func(ctx child.Context) error {
			paths, restarts = append(paths, ctx.Path()), append(restarts, ctx.Restarts())
			return p.Run(ctx)
		}
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "leaf", Run: leaf}}})
		sup := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		p.end(errBoom)
		p.end(nil)
		require.NoError(t, sup.RestartChild(t.Context(), "inner/leaf"))
		require.Equal(t, []int{0, 1, 2, 2}, restarts, "a restart by a call does not count")
		for _, path := range paths {
			require.Equal(t, "/shop/inner/leaf", path)
		}
	})
}

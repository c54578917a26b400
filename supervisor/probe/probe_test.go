package probe_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/probe"
)

// A kubelet asks all the time: while the tree starts, runs, drains, stops and has ended.
func TestProbesFromTheStartToTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Drain: 5 * second, Children: []child.Spec{
			{Name: "db", Run: slow(3*second, 0)},
			{Name: "api", Run: slow(3*second, 4*second), Backoff: child.Constant(2 * second)},
		}})
		h := of(root)
		requireCodes(t, h, 200, 503, 503) // it has not been started
		ended := serve(t, root)
		for range 6 {
			requireCodes(t, h, 200, 503, 503)
			time.Sleep(second)
		}
		synctest.Wait()
		requireCodes(t, h, 200, 200, 200)

		go func() { _ = root.RestartChild(context.Background(), "api") }() // 4 s to stop, 3 s to start
		synctest.Wait()
		for range 7 {
			requireCodes(t, h, 200, 503, 200)
			time.Sleep(second)
		}
		synctest.Wait()
		requireCodes(t, h, 200, 200, 200)

		go func() { _ = root.Stop(context.Background()) }() // 5 s of drain, 4 s to stop
		synctest.Wait()
		code, lines := get(h, "/readyz")
		require.Equal(t, 503, code)
		require.Equal(t, []string{"not ready", "/shop: draining"}, lines)
		for range 9 {
			requireCodes(t, h, 200, 503, 200)
			time.Sleep(second)
		}
		require.NoError(t, <-ended)
		requireCodes(t, h, 503, 503, 200)
		_, lines = get(h, "/livez")
		require.Equal(t, []string{"not live", "/shop: ended"}, lines)
	})
}

// If liveness depended on readiness, a database that is away would restart every process
// that uses it.
func TestWhileTheDatabaseIsAwayTheTreeIsLiveAndNotReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		back := time.Now().Add(10 * time.Minute)
		db := func(ctx child.Context) error {
			if time.Now().Before(back) {
				return errAway
			}
			return idle(ctx)
		}
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
			{Name: "db", Run: db, RetryStart: true, Backoff: child.Exponential(100*time.Millisecond, 30*second)},
			{Name: "api", Run: idle},
		}})
		h := of(root)
		serve(t, root)
		for range 60 {
			requireCodes(t, h, 200, 503, 503)
			time.Sleep(10 * second)
		}
		time.Sleep(30 * second)
		requireCodes(t, h, 200, 200, 200)
	})
}

func TestRootThatGivesUpIsNotLiveEvenWhileAChildDoesNotReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fail := make(chan struct{})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Intensity: strategy.AtMost(0, second), Children: []child.Spec{
			{Name: "stuck", Run: slow(0, time.Hour), StopTimeout: child.Forever},
			{Name: "bad", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-fail
				return errAway
			}},
		}})
		h := of(root)
		ended := serve(t, root)
		requireCodes(t, h, 200, 200, 200)
		close(fail)
		synctest.Wait()
		requireCodes(t, h, 503, 503, 200)
		_, lines := get(h, "/livez")
		require.Equal(t, []string{"not live", "/shop: gave up"}, lines)
		require.Error(t, <-ended)
		_, lines = get(h, "/livez")
		require.Equal(t, []string{"not live", "ended: /shop: gave up: more than 0 restarts in 1s: /shop/bad: connection refused"}, lines)
	})
}

func TestRootThatCannotStartIsLiveUntilItHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
			{Name: "a", Run: slow(0, 3*second)},
			{Name: "b", Run: func(child.Context) error { return errAway }},
		}})
		h := of(root)
		ended := serve(t, root)
		_, ready, started := codes(h)
		require.Equal(t, [2]int{503, 503}, [2]int{ready, started})
		require.Error(t, <-ended)
		requireCodes(t, h, 503, 503, 503)
	})
}

// Started stays true over a restart of the server that answers, which makes a new handler,
// and over a second start of the root.
func TestStartedLatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "a", Run: slow(second, 0)}}})
		h := of(root)
		serve(t, root)
		time.Sleep(second)
		synctest.Wait()
		requireCodes(t, h, 200, 200, 200)
		require.NoError(t, root.StopChild(t.Context(), "a"))
		requireCodes(t, h, 200, 503, 200)
		requireCodes(t, of(root), 200, 503, 200)
		require.NoError(t, root.Stop(t.Context()))
		go func() { _ = root.Start(context.Background()) }()
		synctest.Wait()
		requireCodes(t, h, 200, 503, 200)
		requireCodes(t, of(root), 200, 503, 503)
		time.Sleep(second)
		synctest.Wait()
	})
}

// One handler may serve several trees: that of each request.
func TestTheStartedOfOneRootIsNotThatOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := probe.New(probe.Spec{})
		contexts := make(chan child.Context, 2)
		server := func(ctx child.Context) error {
			contexts <- ctx
			return idle(ctx)
		}
		ask := func(ctx context.Context, url string) int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil).WithContext(ctx))
			return w.Code
		}
		serve(t, nested("one", child.Spec{Name: "server", Run: server}))
		one := <-contexts
		serve(t, nested("two", child.Spec{Name: "server", Run: server}, child.Spec{Name: "slow", Run: slow(time.Hour, 0)}))
		two := <-contexts
		require.Equal(t, 200, ask(one, "/startupz"))
		require.Equal(t, 503, ask(two, "/startupz"))
		require.Equal(t, 200, ask(one, "/readyz"))
		require.Equal(t, 503, ask(two, "/readyz"))
	})
}

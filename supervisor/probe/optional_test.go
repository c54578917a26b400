package probe_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func nested(name string, children ...child.Spec) *supervisor.Supervisor {
	return supervisor.New(supervisor.Spec{Name: name, Logger: quiet, Children: children})
}

func TestOptionalChildrenDoNotCountForReadiness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		jobs := nested("jobs", child.Spec{Name: "mail", Run: idle}, child.Spec{Name: "mailer", Run: idle})
		root := nested("shop", child.Spec{Name: "debug", Run: idle}, child.Spec{Name: "jobs", Run: jobs.Run}, child.Spec{Name: "api", Run: idle})
		serve(t, root)
		for _, c := range []struct {
			optional string
			stopped  string
			code     int
		}{
			{"debug", "debug", 200},
			{"/shop/debug", "debug", 200},
			{"debug/", "debug", 200},
			{"/debug", "debug", 503},
			{"debu", "debug", 503},
			{"", "debug", 503},
			{"/", "debug", 503},
			{"jobs/mail", "jobs/mail", 200},
			{"jobs/mail", "jobs/mailer", 503}, // a name that begins like the optional one
			{"jobs", "jobs/mail", 200},
			{"jobs", "jobs", 200},
			{"jobs/mail", "jobs", 503},
			{"/shop/jobs", "jobs/mailer", 200},
			{"/shop", "api", 200},
			{"api", "api", 200},
			{"api", "debug", 503},
		} {
			h := of(root, c.optional)
			require.NoError(t, root.StopChild(t.Context(), c.stopped))
			code, lines := get(h, "/readyz")
			require.Equal(t, c.code, code, "%+v: %q", c, lines)
			require.NoError(t, root.RestartChild(t.Context(), c.stopped))
			code, _ = get(h, "/readyz")
			require.Equal(t, 200, code)
		}
	})
}

func TestOptionalChildThatStartsSlowlyDoesNotHoldBackTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := nested("shop", child.Spec{Name: "api", Run: idle}, child.Spec{Name: "debug", Run: slow(time.Hour, 0)})
		serve(t, root)
		requireCodes(t, of(root), 200, 503, 503)
		h := of(root, "debug")
		code, _ := get(h, "/startupz") // before /readyz was asked
		require.Equal(t, 200, code)
		requireCodes(t, h, 200, 200, 200)
		h2 := of(root, "debug")
		code, _ = get(h2, "/readyz") // and /startupz was not asked
		require.Equal(t, 200, code)
		require.NoError(t, root.StopChild(t.Context(), "api"))
		requireCodes(t, h, 200, 503, 200)
		requireCodes(t, h2, 200, 503, 200)
		requireCodes(t, of(root, "debug"), 200, 503, 503)
	})
}

// Health names the children that are not ready and not the root then. Without them, the
// root itself counts.
func TestStoppingTreeIsNotReadyEvenIfOnlyOptionalChildrenAreLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := nested("shop", child.Spec{Name: "debug", Run: slow(0, 3*second)})
		h := of(root, "debug")
		serve(t, root)
		go func() { _ = root.Stop(context.Background()) }()
		synctest.Wait()
		_, lines := get(h, "/readyz?verbose")
		require.Equal(t, []string{"not ready", "/shop: not ready: stopping", "optional: /shop/debug: not ready: stopping"}, lines)
		time.Sleep(3 * second)
		synctest.Wait()
		_, lines = get(h, "/readyz")
		require.Equal(t, []string{"not ready", "/shop: not running"}, lines)
	})
}

func TestOptionalTreeDrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Drain: second, Children: []child.Spec{{Name: "debug", Run: idle}}})
		h := of(root, "/shop")
		serve(t, root)
		require.NoError(t, root.StopChild(t.Context(), "debug"))
		go func() { _ = root.Stop(context.Background()) }()
		synctest.Wait()
		_, lines := get(h, "/readyz")
		require.Equal(t, []string{"not ready", "/shop: draining"}, lines)
		time.Sleep(second)
		synctest.Wait()
	})
}

package supervisortest_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// planted is set in the environment of a process whose test must fail.
const planted = "SUPERVISORTEST_PLANTED"

// A goroutine that never ends in a bubble would crash the whole test binary.
func TestAGoroutineThatNeverEndsFailsTheTestAndDoesNotCrashTheProcess(t *testing.T) {
	if os.Getenv(planted) != "" {
		supervisortest.Run(t, func() supervisor.Spec {
			return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				go func() { select {} }()
				return ctx.Ready()
			}, Restart: child.Transient}}}
		}, func(h *supervisortest.Harness) {})
		return
	}
	test := exec.Command(os.Args[0], "-test.v", "-test.run", "^"+t.Name()+"$")
	test.Env = append(os.Environ(), planted+"=1")
	out, err := test.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "leak: /root/a left a goroutine running")
	require.Contains(t, string(out), "Run: goroutines of the test are blocked forever: end what the test has started")
	require.NotContains(t, string(out), "\npanic:")
}

func TestRunInABubbleUsesThatBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(chan struct{})
		run := child.Plain(func(context.Context) error { <-c; return nil })
		supervisortest.Run(t, func() supervisor.Spec {
			return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: run}}}
		}, func(h *supervisortest.Harness) {
			h.Settle()
			close(c)
		})
	})
}

func TestRunOutsideABubbleNeedsATestingT(t *testing.T) {
	text := failing.Test(t, func(t testing.TB) {
		supervisortest.Run(t, func() supervisor.Spec {
			return supervisor.Spec{}
		}, func(*supervisortest.Harness) {})
	})
	require.Contains(t, text, "Run needs a *testing.T to create a synctest bubble, got *failing.tester")
}

package supervisortest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestADayOfBackoffTakesMilliseconds(t *testing.T) {
	began := time.Now()
	a := &supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom}
	supervisortest.Run(t, func() supervisor.Spec {
		return supervisor.Spec{
			Backoff:  child.Constant(time.Hour),
			Children: []child.Spec{{Name: "a", Run: a.Run}},
		}
	}, func(h *supervisortest.Harness) {
		h.Advance(24 * time.Hour)
		require.Equal(t, 24, h.Child("a").Restarts)
		require.Equal(t, child.Waiting, h.Child("a").State)
	})
	require.Less(t, time.Since(began), 10*time.Second)
}

// A channel of the tree belongs to the bubble. Otherwise time would stand still while the
// child waits on it.
func TestTheTreeOfRunIsMadeInItsBubble(t *testing.T) {
	made := 0
	supervisortest.Run(t, func() supervisor.Spec {
		made++
		queue := make(chan int)
		return supervisor.Spec{Children: []child.Spec{{Name: "consumer", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-queue:
				}
			}
		}}}}
	}, func(h *supervisortest.Harness) {
		began := time.Now()
		h.Advance(time.Hour)
		require.Equal(t, time.Hour, time.Since(began))
	})
	require.Equal(t, 1, made)
}

func TestCrashReachesChildrenOfAnyDepth(t *testing.T) {
	a, b := &supervisortest.Child{}, &supervisortest.Child{}
	jobs := supervisor.New(supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "b", Run: b.Run}}})
	supervisortest.Run(t, func() supervisor.Spec {
		return supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}}
	}, func(h *supervisortest.Harness) {
		h.Crash("jobs/a", errBoom)
		st := h.Child("/root/jobs/a")
		require.Equal(t, 1, st.Restarts)
		require.ErrorIs(t, st.LastError, errBoom)
		require.ErrorIs(t, b.Runs()[0].Cause, child.ErrSibling)
		h.Crash("jobs/b", supervisortest.Panic("ouch"))
		require.EqualError(t, h.Child("jobs/b").LastError, "panic: ouch")
		h.Crash("jobs/b", child.ErrGoexit)
		require.ErrorIs(t, h.Child("jobs/b").LastError, child.ErrGoexit)
		h.Crash("jobs", errBoom)
		require.ErrorIs(t, h.Child("jobs").LastError, errBoom)
		require.Equal(t, child.Running, h.Child("jobs/b").State)
		require.Equal(t, 5, b.Starts())
	})
}

func TestCrashWaitsForAChildThatReturnsLate(t *testing.T) {
	supervisortest.Run(t, func() supervisor.Spec {
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: (&supervisortest.Child{StopAfter: time.Second}).Run}}}
	}, func(h *supervisortest.Harness) {
		h.Crash("a", errBoom)
		require.NoError(t, h.Child("a").LastError)
		h.Advance(time.Second)
		require.ErrorIs(t, h.Child("a").LastError, errBoom)
	})
}

// A run that was asked to stop, or abandoned, cannot be crashed: its end has no effect.
func TestCrashOfAStoppingOrAbandonedRunSaysThatNoChildIsRunning(t *testing.T) {
	a := &supervisortest.Child{StopAfter: time.Minute}
	tree := func() supervisor.Spec {
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run, StopTimeout: time.Second}}}
	}
	for name, wait := range map[string]time.Duration{"stopping": 0, "stopped": 2 * time.Second} {
		supervisortest.Run(t, tree, func(h *supervisortest.Harness) {
			go func() { _ = h.Supervisor.StopChild(h.T.Context(), "a") }()
			h.Advance(wait)
			require.Equal(t, name, h.Child("a").State.String())
			said := failing.Test(h.T, func(t testing.TB) {
				inside := *h
				inside.T = t
				inside.Crash("a", errBoom)
			})
			require.Contains(t, said, "Crash: no child /root/a is running; the tree is:\nroot")
			h.Advance(time.Minute)
		})
	}
}

func TestAHangingRunIsInTheStopReportAndIsNotALeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			supervisortest.Run(t, func() supervisor.Spec {
				return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: (&supervisortest.Child{StopAfter: child.Forever}).Run}}}
			}, func(h *supervisortest.Harness) {})
		})
		require.Contains(t, text, "stop: /root/a: did not stop within 5s")
		require.NotContains(t, text, "leak:")
	})
}

func TestBadUseOfAHarness(t *testing.T) {
	tree := func() supervisor.Spec {
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: (&supervisortest.Child{}).Run}}}
	}
	for want, use := range map[string]func(t testing.TB){
		"Crash: no child /root/b is running; the tree is:\nroot": func(t testing.TB) {
			supervisortest.Run(t, tree, func(h *supervisortest.Harness) { h.Crash("b", errBoom) })
		},
		"Child: no child /root/b; the tree is:\nroot": func(t testing.TB) {
			supervisortest.Run(t, tree, func(h *supervisortest.Harness) { h.Child("b") })
		},
		"Advance: d is -1s: it must not be negative": func(t testing.TB) {
			supervisortest.Run(t, tree, func(h *supervisortest.Harness) { h.Advance(-time.Second) })
		},
		"Run: f is nil": func(t testing.TB) {
			supervisortest.Run(t, tree, nil)
		},
		"Run: tree is nil": func(t testing.TB) {
			supervisortest.Run(t, nil, func(h *supervisortest.Harness) {})
		},
		"Settle: Run has returned: use the Harness only in the function passed to Run": func(t testing.TB) {
			var kept *supervisortest.Harness
			supervisortest.Run(t, tree, func(h *supervisortest.Harness) { kept = h })
			kept.Settle()
		},
		"start: /root/x: Run: nil": func(t testing.TB) {
			supervisortest.Run(t, func() supervisor.Spec {
				return supervisor.Spec{Children: []child.Spec{{Name: "x"}}}
			}, func(h *supervisortest.Harness) {})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			require.Contains(t, failing.Test(t, use), want)
		})
	}
}

func TestUseOfAHarnessOutsideItsBubbleFailsTheTest(t *testing.T) {
	harness, done := make(chan *supervisortest.Harness, 1), make(chan string, 1)
	go func() {
		h := <-harness
		done <- failing.Test(t, func(t testing.TB) {
			outside := *h
			outside.T = t
			outside.Advance(time.Second)
		})
	}()
	supervisortest.Run(t, func() supervisor.Spec {
		return supervisor.Spec{}
	}, func(h *supervisortest.Harness) {
		harness <- h
		require.Contains(t, <-done, "Advance: not in the bubble: call it on the goroutine of the function passed to Run")
	})
}

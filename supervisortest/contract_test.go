package supervisortest_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// runFunc makes a Runnable of a function.
type runFunc func(child.Context) error

func (f runFunc) Run(ctx child.Context) error { return f(ctx) }

// waits is a child that keeps the contract.
func waits(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// breaks returns the failure of Check for a child, in virtual time. Then it closes over,
// which ends the child.
func breaks(t *testing.T, newChild func(over <-chan struct{}) child.Runnable) (said string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		said = failing.Test(t, func(t testing.TB) {
			supervisortest.Check(t, func() child.Runnable { return newChild(over) })
		})
		close(over)
	})
	return said
}

func TestCheckAcceptsGoodChildren(t *testing.T) {
	for name, good := range map[string]func() child.Runnable{
		"waits":    func() child.Runnable { return runFunc(waits) },
		"scripted": func() child.Runnable { return &supervisortest.Child{ReadyAfter: time.Second, StopAfter: time.Second} },
		"plain": func() child.Runnable {
			return runFunc(child.Plain(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		},
		"task":  func() child.Runnable { return runFunc(child.Task(func(ctx context.Context) error { return nil })) },
		"fails": func() child.Runnable { return &supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom} },
		"supervisor": func() child.Runnable {
			return supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: waits}}})
		},
		"refuses a second run": func() child.Runnable {
			var busy atomic.Bool
			return runFunc(func(ctx child.Context) error {
				if !busy.CompareAndSwap(false, true) {
					return errBoom
				}
				defer busy.Store(false)
				return waits(ctx)
			})
		},
		"its goroutine ends with ctx": func() child.Runnable {
			return runFunc(func(ctx child.Context) error {
				go func() { <-ctx.Done() }()
				return waits(ctx)
			})
		},
		"uses its grace": func() child.Runnable {
			return runFunc(func(ctx child.Context) error {
				err := waits(ctx)
				<-ctx.Grace().Done()
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, breaks(t, func(<-chan struct{}) child.Runnable { return good() }))
		})
	}
}

// In real time, with a child that is fast.
func TestCheckWorksOutsideABubble(t *testing.T) {
	t.Parallel()
	supervisortest.Check(t, func() child.Runnable { return runFunc(waits) })
	said := failing.Test(t, func(t testing.TB) {
		over := make(chan struct{})
		t.Cleanup(func() { close(over) })
		supervisortest.Contract{StopTimeout: 20 * time.Millisecond}.Check(t, func() child.Runnable {
			return runFunc(func(ctx child.Context) error {
				err := waits(ctx)
				<-over
				return err
			})
		})
	})
	require.Contains(t, said, "contract: Run did not return within 20ms after its context ended")
}

// One child that breaks each rule, and the failure.
func TestCheckNamesTheRule(t *testing.T) {
	for name, tc := range map[string]struct {
		run  func(over <-chan struct{}) func(child.Context) error
		want string
	}{
		"never ready": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error { <-ctx.Done(); return nil }
		}, "Run did not call ctx.Ready within 10s: call it when set-up is done:"},
		"nil before ready": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error { return nil }
		}, "Run returned nil before it called ctx.Ready: call Ready, or return an error"},
		"does not stop": {func(over <-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error { _ = ctx.Ready(); <-over; return nil }
		}, "Run did not return within 5s after its context ended: select on ctx.Done wherever it waits:"},
		"set-up does not stop": {func(over <-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error {
				if ctx.ShouldHalt() {
					<-over // dials without ctx, for example
				}
				return waits(ctx)
			}
		}, "Run did not return within 5s after it was asked to stop before ctx.Ready: its set-up must end with ctx too:"},
		"set-up does not stop on its way": {func(over <-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error {
				if ctx.ShouldHalt() { // checks once, then dials without ctx
					return nil
				}
				select {
				case <-over:
				case <-time.After(8 * time.Second):
				}
				return waits(ctx)
			}
		}, "Run did not return within 5s after it was asked to stop before ctx.Ready: its set-up must end with ctx too:"},
		"goes on after Ready failed": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error { _ = ctx.Ready(); <-ctx.Done(); return nil }
		}, "Run went on after ctx.Ready returned an error: return that error at once"},
		"panics": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error { _ = waits(ctx); panic("ouch\x1b\nsecond line") }
		}, `Run panicked (ouch\x1b): return an error instead`},
		"calls Goexit": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error { runtime.Goexit(); return nil }
		}, "Run called runtime.Goexit: return an error instead"},
		"returns another context's end": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				own, cancel := context.WithCancel(ctx)
				cancel()
				return own.Err()
			}
		}, "Run returned context.Canceled but was not stopped: the error is that of another context"},
		"runs once only": {func(<-chan struct{}) func(child.Context) error {
			done := make(chan struct{})
			return func(ctx child.Context) error {
				err := waits(ctx)
				close(done)
				return err
			}
		}, "the second call of Run failed, but a restart calls Run of the same child again: Run panicked (close of closed channel): return an error instead"},
		"second run ends the first": {func(<-chan struct{}) func(child.Context) error {
			var stop atomic.Pointer[context.CancelFunc]
			return func(ctx child.Context) error {
				own, cancel := context.WithCancel(ctx)
				defer cancel()
				if old := stop.Swap(&cancel); old != nil {
					(*old)()
				}
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-own.Done()
				return nil
			}
		}, "a second run, started while the first was still running, ended the first: an abandoned run may still be running when the next one starts"},
		"second run hangs": {func(<-chan struct{}) func(child.Context) error {
			busy := make(chan struct{}, 1)
			return func(ctx child.Context) error {
				select {
				case busy <- struct{}{}:
				case <-ctx.Done():
					return nil
				}
				defer func() { <-busy }()
				return waits(ctx)
			}
		}, "a second run, started while the first was still running, neither became ready nor returned within 10s: an abandoned run may still be running when the next one starts"},
		"leaks": {func(over <-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error {
				go func() { <-over }()
				return waits(ctx)
			}
		}, "Run left a goroutine running when it returned: every goroutine must end before Run returns, or with ctx:"},
		"uses ctx after the end": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error {
				defer time.AfterFunc(time.Millisecond, func() { ctx.OnError(errBoom) })
				return waits(ctx)
			}
		}, "ctx.OnError was called after Run had returned: end whatever uses ctx before Run returns"},
		"cannot start": {func(<-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error { return errBoom }
		}, "Run failed before ctx.Ready, so Check has nothing to check: boom"},
	} {
		t.Run(name, func(t *testing.T) {
			said := breaks(t, func(over <-chan struct{}) child.Runnable { return runFunc(tc.run(over)) })
			first, rest := said, ""
			for i, r := range said {
				if r == '\n' {
					first, rest = said[:i], said[i:]
					break
				}
			}
			require.Equal(t, "contract: "+tc.want, first)
			require.NotContains(t, rest, "contract:", "one sentence, and at most a stack")
		})
	}
}

func TestBadUseOfCheck(t *testing.T) {
	for want, use := range map[string]func(t testing.TB){
		"Check: newChild is nil": func(t testing.TB) { supervisortest.Check(t, nil) },
		"Check: newChild returned nil": func(t testing.TB) {
			supervisortest.Check(t, func() child.Runnable { return nil })
		},
		"Check: negative limit in {StartTimeout:-1ns StopTimeout:0s}: use zero for the default": func(t testing.TB) {
			supervisortest.Contract{StartTimeout: -1}.Check(t, func() child.Runnable { return runFunc(waits) })
		},
	} {
		require.Equal(t, want, failing.Test(t, use))
	}
}

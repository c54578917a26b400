// Package services provides a root supervisor for the whole process. It is for code that
// has no supervisor passed to it: packages written for go-service's package of the same
// name, for example, or a library that starts something in the background.
//
// Prefer declaring your own tree in main: the children of the default root start and stop
// in no particular order.
package services

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var root atomic.Pointer[supervisor.Supervisor]

// Default returns the root supervisor of the process. The first call creates and starts
// it. It is named "root", has the strategy Independent and no declared children. It has a
// backoff of 100 ms to 30 s, so that a child that keeps failing does not end the others.
// Use its methods for everything else:
//
//	err := services.Default().StartChild(ctx, child.Spec{Name: "poller", Run: poll})
//
// Call Default().Stop at the end of main. Once the root has ended, by Stop or because a
// child escalated, Default keeps returning it, with Done closed, until its Start is called
// again or SetDefault replaces it.
//
// The first call asks slog.Default's handler which levels are enabled. A handler whose
// Enabled calls Default must guard against its own recursion.
func Default() *supervisor.Supervisor {
	if s := root.Load(); s != nil {
		return s
	}
	s := supervisor.New(supervisor.Spec{
		Strategy: strategy.Independent,
		Backoff:  child.Exponential(100*time.Millisecond, 30*time.Second),
	})
	// Start it before it is visible, and without holding a lock: Start asks the logger
	// for its levels, and a user's log handler may call Default.
	_ = s.Start(context.Background()) // cannot fail: there are no children
	if root.CompareAndSwap(nil, s) {
		return s
	}
	_ = s.Stop(context.Background())
	return Default()
}

// SetDefault makes Default return s. It returns the previous default supervisor, or nil if
// there was none. After SetDefault(nil) the next call of Default creates a new root.
// SetDefault neither starts nor stops a supervisor. Use it in a main that needs a different
// Spec, and in tests:
//
//	before := services.SetDefault(supervisortest.Start(t, supervisor.Spec{}))
//	t.Cleanup(func() { services.SetDefault(before) })
//
// It affects the whole process, so such a test must not run in parallel with others that
// use Default.
func SetDefault(s *supervisor.Supervisor) (before *supervisor.Supervisor) { return root.Swap(s) }

// Package services has one root supervisor for the whole process, for code that
// no supervisor has been passed to: packages that were written against
// go-service's package of the same name, say, or a library that starts something
// in the background.
//
// Prefer to declare your own tree in main: the children of the default root start
// and stop in no particular order.
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

// Default returns the root of the process. The first call makes and starts it:
// an Independent supervisor of the name root, without children, with a backoff of
// 100 ms to 30 s, so that a child that keeps failing does not end the others. All
// else goes by its methods:
//
//	err := services.Default().StartChild(ctx, child.Spec{Name: "poller", Run: poll})
//
// main ends it with Default().Stop. When it has ended, by that or because a child
// escalated, it stays ended and its Done is closed, until its Start is called
// again or SetDefault replaces it.
func Default() *supervisor.Supervisor {
	if s := root.Load(); s != nil {
		return s
	}
	s := supervisor.New(supervisor.Spec{
		Strategy: strategy.Independent,
		Backoff:  child.Exponential(100*time.Millisecond, 30*time.Second),
	})
	// It is started before anybody sees it, and not under a lock: the logger is
	// asked for its levels then, and it may be a user's that calls Default.
	_ = s.Start(context.Background()) // cannot fail: there is no child that could
	if root.CompareAndSwap(nil, s) {
		return s
	}
	_ = s.Stop(context.Background())
	return Default()
}

// SetDefault makes Default return s, and returns the supervisor that it returned
// before, which is nil if there was none. After SetDefault(nil) the next call of
// Default makes a new root. SetDefault neither starts nor stops anything. It is
// for a main that wants another Spec, and for tests:
//
//	before := services.SetDefault(supervisortest.Start(t, supervisor.Spec{}))
//	t.Cleanup(func() { services.SetDefault(before) })
//
// It holds for the whole process, so such a test cannot run in parallel with
// others that use Default.
func SetDefault(s *supervisor.Supervisor) (before *supervisor.Supervisor) { return root.Swap(s) }

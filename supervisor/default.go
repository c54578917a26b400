package supervisor

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

var defaultRoot atomic.Pointer[Supervisor]

// Default returns a root for the whole process, for code that has no other to
// ask: packages that were written against go-service's package services, or a
// child that is nobody's in particular. A program that has a main to write does
// better to declare its own tree, since this one has no order.
//
// It is made and started on first use, by the name of root: Independent, without
// children, with a backoff of 100 ms to 30 s, so that one child which keeps
// failing does not end the others. There are no functions for what it does:
//
//	err := supervisor.Default().StartChild(ctx, child.Spec{Name: "poller", Run: poll})
//
// main ends it by Default().Stop. If it ends, by that or because a child escalated,
// it stays ended, and Done tells, until somebody starts it again or SetDefault
// puts another in its place.
func Default() *Supervisor {
	if s := defaultRoot.Load(); s != nil {
		return s
	}
	s := New(Spec{
		Strategy: strategy.Independent,
		Backoff:  child.Exponential(100*time.Millisecond, 30*time.Second),
	})
	// It is started before anybody sees it, and not under a lock: the logger is
	// asked for its levels then, and it may be a user's who comes here again.
	_ = s.Start(context.Background()) // cannot fail: there is no child that could
	if defaultRoot.CompareAndSwap(nil, s) {
		return s
	}
	_ = s.Stop(context.Background())
	return Default()
}

// SetDefault puts s in place of what Default returns, and returns what that was.
// Nil is none: the next Default makes a new one. It neither starts nor stops
// anything. It is for a main that wants another Spec, and for tests:
//
//	before := supervisor.SetDefault(supervisortest.Start(t, supervisor.Spec{}))
//	t.Cleanup(func() { supervisor.SetDefault(before) })
//
// As it holds for the whole process, such a test cannot run in parallel with
// others that use Default.
func SetDefault(s *Supervisor) (before *Supervisor) { return defaultRoot.Swap(s) }

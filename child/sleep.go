package child

import (
	"context"
	"time"
)

// Sleep waits for d or until ctx ends, whichever comes first. It reports whether ctx
// has ended. It returns at once if ctx has already ended, or if d is zero or
// negative. A nil ctx never ends.
//
//	for !child.Sleep(ctx, time.Second) {
//		poll()
//	}
func Sleep(ctx context.Context, d time.Duration) (halted bool) {
	if ctx == nil {
		ctx = context.Background()
	}
	if ctx.Err() != nil {
		return true
	}
	if d <= 0 {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-ctx.Done():
		return true
	}
}

package child

import (
	"context"
	"time"
)

// Sleep waits for d or until ctx ends, whichever comes first, and reports
// whether it was ctx. A ctx that has ended already, and then a d of zero or
// less, returns at once. A nil ctx never ends.
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

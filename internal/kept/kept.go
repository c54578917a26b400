// Package kept remembers for metrics what runs in a child, over its restarts.
package kept

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// A Kept is what ran last in one child, such as a gate or a periodic job. The zero Kept has
// nothing.
type Kept[T any] struct {
	Value *T // nil: nothing

	run   uint64    // in which Value was missing
	since time.Time // when it was missing first
}

// patience is much longer than a run can be over before its supervisor knows it.
const patience = time.Second

// Found keeps v, which runs in the child now.
func (k *Kept[T]) Found(v *T) { *k = Kept[T]{Value: v} }

// Missing notes that Value does not run, although it may be about to: the child waits for its
// restart, or its run is over and the next one has not begun. Missing reports whether that is
// not so, because one run has been without it for a second.
func (k *Kept[T]) Missing(st *child.Status) (over bool) {
	switch {
	case st.State != child.Running:
		k.run = 0
	case k.run != st.Run:
		k.run, k.since = st.Run, time.Now()
	default:
		return time.Since(k.since) >= patience
	}
	return false
}

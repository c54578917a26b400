package coppiceotel

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/kept"
)

// Extras are the things of one kind that run in children with series, and have series of
// their own: gates, or jobs.
type extras[T any] struct {
	series int                      // of each
	have   map[string]*kept.Kept[T] // those that have series, by the paths of their children
	ended  func(*child.Status) bool // whether a child cannot run one any more; nil: it always can
}

// visit gives series to what runs in a child with series, and returns how many do not fit. It
// keeps them while its child has them, so that they do not end while it waits for a restart.
func (x *extras[T]) visit(st *child.Status, running *T, f *fold) (omitted int64) {
	k := x.have[st.Path]
	switch {
	case running == nil:
		if k != nil && (k.Missing(st) || x.ended != nil && x.ended(st)) {
			x.free(st.Path, f)
		}
	case k != nil:
		k.Found(running)
	case f.room >= x.series:
		f.room -= x.series
		x.have[st.Path] = &kept.Kept[T]{Value: running}
	default:
		return int64(x.series)
	}
	return 0
}

// free takes the series from what ran in a child.
func (x *extras[T]) free(path string, f *fold) {
	if x.have[path] != nil {
		f.room += x.series
		delete(x.have, path)
	}
}

// shown visits those whose children this collection has seen, by the paths of the children.
func (x *extras[T]) shown(seen map[string]bool) func(yield func(string, *T) bool) {
	return func(yield func(string, *T) bool) {
		for path, k := range x.have {
			if seen[path] && !yield(path, k.Value) {
				return
			}
		}
	}
}

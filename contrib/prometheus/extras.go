package coppiceprom

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/kept"
)

// Extras are the things of one kind that run in children and have series of their own: gates,
// or jobs.
type extras[T any] struct {
	running map[string]*T            // by the paths of their children
	series  int                      // of each
	slot    func(*kid) *kept.Kept[T] // where a child has its own
	ended   func(*child.Status) bool // whether a child cannot run one any more; nil: it always can
}

// place gives series to what runs in children with series, and returns how many do not fit. It
// keeps them while its child has them, so that they do not end while it waits for a restart.
func (x *extras[T]) place(branches []*branch, l *ledger) (missing int) {
	for _, b := range branches {
		now := x.running[b.Path]
		if b.kid == nil {
			if now != nil {
				missing += x.series
			}
			continue
		}
		k := x.slot(b.kid)
		switch has := k.Value != nil; {
		case now == nil:
			if has && (k.Missing(&b.Status) || x.ended != nil && x.ended(&b.Status)) {
				l.room += x.series
				k.Found(nil)
			}
		case has:
			k.Found(now)
		case l.fits(x.series):
			l.room -= x.series
			k.Found(now)
		default:
			missing += x.series
		}
	}
	return missing
}

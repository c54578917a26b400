package coppiceprom

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/internal/kept"
)

// A ledger holds what is counted from events, for each child and each supervisor that has
// series. What has no series is counted in the nearest supervisor that has. It is bounded by
// the number of series.
type ledger struct {
	room    int  // number of series that still fit
	crowded bool // something did not fit since the last scrape
	cost    int  // series of a supervisor
	groups  map[string]*group
	kids    map[string]*kid

	// abandoned has the counts that each abandoned run was added to, by path, so that its
	// return is subtracted from the same.
	abandoned map[string][]*counts
	lost      uint64
}

// counts are what is counted of one path.
type counts struct {
	since                              time.Time
	restarts, errors, panicked, missed uint64
	lastFailure                        time.Time
	abandoned                          int
}

// A kid is a child that has series.
type kid struct {
	path string
	counts
	now  *branch                 // in the latest snapshot; nil if it was not there
	gone bool                    // it was removed
	gate kept.Kept[gate.Gate]    // has the one that ran in it last, if its series fit
	job  kept.Kept[periodic.Job] // the same
}

// A group is a supervisor that has series.
type group struct {
	path     string
	declared map[string]bool // its children that have series by default; nil if none have
	since    time.Time
	gaveUp   uint64
	start    prometheus.Observer
	stop     prometheus.Observer
	rest     counts // of its children without series
	hasRest  bool
	now      *branch
	gone     bool
}

func newLedger(max, buckets int) *ledger {
	return &ledger{
		room: max - treeSeries, cost: groupSeries + 2*buckets,
		groups: map[string]*group{}, kids: map[string]*kid{}, abandoned: map[string][]*counts{},
	}
}

// abandon counts an abandoned run.
func (l *ledger) abandon(path string, n *counts) {
	n.abandoned++
	l.abandoned[path] = append(l.abandoned[path], n)
}

// returned counts the return of an abandoned run. It has no effect if the run was abandoned
// before the collector was there.
func (l *ledger) returned(path string) {
	runs := l.abandoned[path]
	if len(runs) == 0 {
		return
	}
	runs[0].abandoned--
	if len(runs) == 1 {
		delete(l.abandoned, path)
	} else {
		l.abandoned[path] = runs[1:]
	}
}

// kid returns the child at path, which is added if there is room.
func (l *ledger) kid(path string) *kid {
	k := l.kids[path]
	if k == nil && l.fits(childSeries) {
		l.room -= childSeries
		k = &kid{path: path, counts: counts{since: time.Now()}}
		l.kids[path] = k
	}
	return k
}

// fits reports whether there is room for n series.
func (l *ledger) fits(n int) bool {
	if l.room < n {
		l.crowded = true
		return false
	}
	return true
}

// addGroup adds a supervisor. The caller has seen that there is room.
func (l *ledger) addGroup(path string, r *registrar) *group {
	now := time.Now()
	g := &group{path: path, since: now, rest: counts{since: now}}
	label := valid(path)
	g.start, g.stop = r.start.WithLabelValues(label), r.stop.WithLabelValues(label)
	l.room -= l.cost
	l.groups[path] = g
	return g
}

// evict drops everything that was removed from the tree.
func (l *ledger) evict(r *registrar) {
	l.crowded = false
	for path, k := range l.kids {
		if k.gone {
			delete(l.kids, path)
			l.room += childSeries
			if k.gate.Value != nil {
				l.room += gateSeries
			}
			if k.job.Value != nil {
				l.room += jobSeries
			}
		}
	}
	for path, g := range l.groups {
		if g.gone {
			delete(l.groups, path)
			r.start.DeleteLabelValues(valid(path))
			r.stop.DeleteLabelValues(valid(path))
			l.room += l.cost
		}
	}
}

// nearest returns the supervisor at path, or the nearest one above it that has series, or
// nil.
func (l *ledger) nearest(path string) *group {
	for ; path != ""; path = parent(path) {
		if g := l.groups[path]; g != nil {
			return g
		}
	}
	return nil
}

func parent(path string) string { return path[:max(0, strings.LastIndexByte(path, '/'))] }

func name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// valid returns a label value of a path. Names are valid UTF-8 in each tree that runs.
func valid(path string) string { return strings.ToValidUTF8(path, "\uFFFD") }

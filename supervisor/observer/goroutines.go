package observer

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

// Reading the stacks takes time in proportion to all goroutines of the process, about 10 µs
// each.
const (
	mostGoroutines = 100_000     // more are read only if that is asked for
	readFor        = time.Second // that a reading is shared
	mostStacks     = 100
)

// profiles reads the stacks of all goroutines, one reading at a time.
type profiles struct {
	turn chan struct{} // holds one token while nobody reads; made by once
	once sync.Once
	last *profile
	at   time.Time
	all  int
}

// get returns a reading that is at most a second old.
func (p *profiles) get(ctx context.Context, force bool) (*profile, time.Time, int, error) {
	p.once.Do(func() {
		p.turn = make(chan struct{}, 1)
		p.turn <- struct{}{}
	})
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, time.Time{}, 0, refuse(http.StatusServiceUnavailable, "the request ended before there was an answer")
	}
	if p.last != nil && time.Since(p.at) < readFor {
		return p.last, p.at, p.all, nil
	}
	p.last = nil
	if n := runtime.NumGoroutine(); n > mostGoroutines && !force {
		return nil, time.Time{}, 0, refuse(http.StatusTooManyRequests,
			"there are %s goroutines: to read them takes about %v of one processor; add force=1 to read them", count(n), time.Duration(n)*10*time.Microsecond)
	}
	var packed bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&packed, 0); err != nil {
		return nil, time.Time{}, 0, err
	}
	read, err := parseProfile(packed.Bytes())
	if err != nil {
		return nil, time.Time{}, 0, err
	}
	p.last, p.at, p.all = read, time.Now(), 0
	time.AfterFunc(readFor, p.forget)
	for i := range read.samples {
		p.all += int(read.samples[i].count)
	}
	return p.last, p.at, p.all, nil
}

// forget frees a reading that is no longer shared, unless somebody is reading.
func (p *profiles) forget() {
	select {
	case <-p.turn:
		if time.Since(p.at) >= readFor {
			p.last = nil
		}
		p.turn <- struct{}{}
	default:
	}
}

func (o *Observer) serveGoroutines(w http.ResponseWriter, r *http.Request) error {
	m, err := o.model(r)
	if err != nil {
		return err
	}
	if m.past {
		return refuse(http.StatusBadRequest, "at: stacks are those of now")
	}
	top, err := m.named(r)
	if err != nil {
		return err
	}
	path := m.items[top].tree.Path
	p, at, all, err := o.stacks.get(r.Context(), r.URL.Query().Get("force") == "1")
	if err != nil {
		return err
	}
	v := view.Goroutines{V: view.Version, At: at, All: all, Stacks: []view.Stack{}}
	var own []*sample
	for i := range p.samples {
		s := &p.samples[i]
		if s.label == "" {
			continue
		}
		v.Labeled += int(s.count)
		if under(s.label, path) {
			own = append(own, s)
		}
	}
	slices.SortStableFunc(own, func(a, b *sample) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.label, b.label)) })
	for _, s := range own[:min(len(own), mostStacks)] {
		v.Stacks = append(v.Stacks, view.Stack{N: int(s.count), Path: valid(s.label, view.MaxText), Stack: p.stack(s, view.MaxLongText)})
	}
	v.More = len(own) - len(v.Stacks)
	writeJSON(w, r, http.StatusOK, v)
	return nil
}

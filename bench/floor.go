package bench

import (
	"context"
	"sync"
	"time"
)

// A one is a hand-written child. ready waits until it is ready, gone until it has ended.
type one interface {
	ready()
	ask() // asks it to stop
	gone()
}

// ctxChans is the obvious implementation: a context and two channels.
type ctxChans struct {
	cancel   context.CancelFunc
	up, done chan struct{}
}

func startCtxChans() *ctxChans {
	ctx, cancel := context.WithCancel(context.Background())
	c := &ctxChans{cancel, make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(c.done)
		close(c.up)
		<-ctx.Done()
	}()
	return c
}

func (c *ctxChans) ready() { <-c.up }
func (c *ctxChans) ask()   { c.cancel() }
func (c *ctxChans) gone()  { <-c.done }

// record is the leanest implementation with a context: one channel signals both that
// the child is ready and that it has ended.
type record struct {
	context.Context
	cancel context.CancelFunc
	news   chan struct{}
}

func startRecord() *record {
	r := &record{news: make(chan struct{}, 1)}
	r.Context, r.cancel = context.WithCancel(context.Background())
	go r.run()
	return r
}

func (r *record) run() {
	r.news <- struct{}{}
	<-r.Done()
	r.news <- struct{}{}
}

func (r *record) ready() { <-r.news }
func (r *record) ask()   { r.cancel() }
func (r *record) gone()  { <-r.news }

// timed is a record with the time limits of a child of Coppice: a slow start is
// noticed, and a stop does not wait forever.
type timed struct{ *record }

func startTimed() timed { return timed{startRecord()} }

func (t timed) ready() { t.within(10*time.Second, "start") }
func (t timed) gone()  { t.within(5*time.Second, "stop") }

func (t timed) within(limit time.Duration, what string) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.news:
	case <-timer.C:
		panic(what + " timed out")
	}
}

// bare is the leanest implementation: it has a stop channel instead of a context.
type bare struct{ halt, news chan struct{} }

func startBare() *bare {
	b := &bare{make(chan struct{}), make(chan struct{}, 1)}
	go b.run()
	return b
}

func (b *bare) run() {
	b.news <- struct{}{}
	<-b.halt
	b.news <- struct{}{}
}

func (b *bare) ready() { <-b.news }
func (b *bare) ask()   { close(b.halt) }
func (b *bare) gone()  { <-b.news }

// A row keeps children in a slice.
type row[T one] struct {
	start   func() T
	all     []T
	ordered bool // starts in order and stops in reverse order, as OneForOne does
}

func newRow[T one](start func() T, ordered bool) maker {
	return func(n int) crew {
		r := &row[T]{start: start, all: make([]T, 0, n), ordered: ordered}
		for range n {
			c := start()
			if ordered {
				c.ready()
			}
			r.all = append(r.all, c)
		}
		if !ordered {
			for _, c := range r.all {
				c.ready()
			}
		}
		return r
	}
}

// add puts child i into its slot, which is the next one or a free one.
func (r *row[T]) add(i int) {
	c := r.start()
	if i < len(r.all) {
		r.all[i] = c
	} else {
		r.all = append(r.all, c)
	}
	c.ready()
}

func (r *row[T]) remove(i int) {
	c := r.all[i]
	c.ask()
	c.gone()
	if i == len(r.all)-1 {
		r.all = r.all[:i]
	}
}

func (r *row[T]) stop() {
	if r.ordered {
		for i := len(r.all) - 1; i >= 0; i-- {
			r.all[i].ask()
			r.all[i].gone()
		}
		return
	}
	for _, c := range r.all {
		c.ask()
	}
	for _, c := range r.all {
		c.gone()
	}
}

// A registry keeps children in a map by name. Any goroutine may use it.
type registry[T one] struct {
	start func() T
	mu    sync.Mutex
	all   map[string]T
}

func newRegistry[T one](start func() T) maker {
	return func(n int) crew {
		r := &registry[T]{start: start, all: make(map[string]T)}
		for i := range n {
			r.all[names[i]] = start()
		}
		for _, c := range r.all {
			c.ready()
		}
		return r
	}
}

func (r *registry[T]) add(i int) {
	r.mu.Lock()
	if _, there := r.all[names[i]]; there {
		panic("duplicate name: " + names[i])
	}
	c := r.start()
	r.all[names[i]] = c
	r.mu.Unlock()
	c.ready()
}

func (r *registry[T]) remove(i int) {
	r.mu.Lock()
	c := r.all[names[i]]
	delete(r.all, names[i])
	r.mu.Unlock()
	c.ask()
	c.gone()
}

func (r *registry[T]) stop() {
	for _, c := range r.all {
		c.ask()
	}
	for _, c := range r.all {
		c.gone()
	}
}

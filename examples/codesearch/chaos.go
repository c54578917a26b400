package main

import (
	"context"
	"io"
	"path"
	"sync"

	"github.com/coppice-go/coppice/child"
)

// chaos makes children panic on demand, on their own goroutine, as a bug would. A nil chaos never does, and costs nothing.
type chaos struct {
	mu    sync.Mutex
	wires map[string]chan crash // by path of the child
}

// crash is an order to panic, and the value of that panic: an error, so that errors.As finds it in an event.
type crash struct {
	kind string
	torn bool    // journal only: die in the middle of the next record…
	cut  float64 // …after this part of it
}

func (c crash) Error() string { return "ordered crash: " + c.kind }

func newChaos() *chaos { return &chaos{wires: map[string]chan crash{}} }

// wire is where the child at this path hears its orders; a child that waits anyway adds it to its select.
func (c *chaos) wire(path string) chan crash {
	if c == nil {
		return nil // a select never takes it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wires[path] == nil {
		c.wires[path] = make(chan crash)
	}
	return c.wires[path]
}

// order waits until the child at the path (or the first of all children of x, for x/*) takes the order, or ctx ends.
func (c *chaos) order(ctx context.Context, path string, o crash) (taken bool) {
	select {
	case c.wire(path) <- o:
		return true
	case <-ctx.Done():
		return false
	}
}

// point is where a child that is busy may be hit.
func (c *chaos) point(ctx child.Context) {
	if c == nil {
		return
	}
	for _, p := range []string{ctx.Path(), path.Dir(ctx.Path()) + "/*"} {
		c.mu.Lock()
		wire := c.wires[p]
		c.mu.Unlock()
		select {
		case o := <-wire:
			panic(o)
		default:
		}
	}
}

// branch lets a nested supervisor crash: its children are stopped in order, then it panics.
func (c *chaos) branch(run func(child.Context) error) func(child.Context) error {
	if c == nil {
		return run
	}
	return func(ctx child.Context) error {
		inner, stop := context.WithCancel(ctx)
		defer stop()
		hit := make(chan crash, 1)
		go func() {
			defer close(hit)
			select {
			case o := <-c.wire(ctx.Path()):
				hit <- o
				stop()
			case <-inner.Done():
			}
		}()
		err := run(child.FromContext(inner))
		stop()
		if o, ok := <-hit; ok {
			panic(o)
		}
		return err
	}
}

// tear puts itself between the journal and its file. The function it returns carries out an order: at once, or, for a
// torn write, in the middle of the next record.
func (c *chaos) tear(j *journal) func(crash) {
	if c == nil {
		return nil // and no order ever comes
	}
	t := &tearer{Writer: j.w}
	j.w = t
	return func(o crash) {
		if !o.torn {
			panic(o)
		}
		t.next = &o
	}
}

type tearer struct {
	io.Writer
	next *crash
}

func (t *tearer) Write(p []byte) (int, error) {
	if t.next != nil {
		_, _ = t.Writer.Write(p[:int(t.next.cut*float64(len(p)))])
		panic(*t.next)
	}
	return t.Writer.Write(p)
}

package main

import (
	"context"
	"io"
	"path"
	"sync"

	"github.com/coppice-go/coppice/child"
)

// chaos makes children panic on demand, on their own goroutine, as a bug would. A nil chaos does nothing.
type chaos struct {
	mu    sync.Mutex
	wires map[string]chan crash // by the path of the child
}

// crash is an order to panic. It is also the panic value, and an error, so that errors.As finds it in an event.
type crash struct {
	kind string
	torn bool    // only for the journal: panic in the middle of writing the next record,
	cut  float64 // after this fraction of it
}

func (c crash) Error() string { return "ordered crash: " + c.kind }

func newChaos() *chaos { return &chaos{wires: map[string]chan crash{}} }

// wire returns the channel on which the child at this path receives orders. A child that waits adds it to its select.
func (c *chaos) wire(path string) chan crash {
	if c == nil {
		return nil // a select never receives from it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wires[path] == nil {
		c.wires[path] = make(chan crash)
	}
	return c.wires[path]
}

// order waits until the child at the path takes the order, or ctx is done. The path x/* means any child of x. It
// reports whether the order was taken.
func (c *chaos) order(ctx context.Context, path string, o crash) (taken bool) {
	select {
	case c.wire(path) <- o:
		return true
	case <-ctx.Done():
		return false
	}
}

// point panics if there is an order for the child. A busy child calls it wherever it may crash.
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

// branch wraps the Run of a nested supervisor so that it can crash: it stops its children in order, then panics.
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

// tear inserts a writer between the journal and its file. The function that it returns carries out an order: it panics at
// once or, for a torn write, makes the writer panic in the middle of the next record.
func (c *chaos) tear(j *journal) func(crash) {
	if c == nil {
		return nil // there are no orders
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

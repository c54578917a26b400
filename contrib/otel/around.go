package coppiceotel

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Around puts the span of the start of each run into the run's ctx: set it, or Arounds with
// it, as supervisor.Spec.Around of a root that is watched. The spans themselves come from
// the events that Watch receives, so they are the same without Around. In a tree that is
// not watched, Around only calls run.
//
//   - Until the run calls Ready, ctx has the span of the start. Spans begun with it, such
//     as that of a dial, are children of the start. In a nested supervisor, so are the
//     starts of its children.
//   - From then on ctx has no span of this package, because a run may go on for weeks: a
//     span begun with it starts a trace of its own. To lead from there to the start, use
//     Link. The same holds for spans begun while the run is stopping.
//   - If the context that the root was started with has a span, ctx has that one instead,
//     for as long as it is recording. A span that has ended is never used as a parent. The
//     span of the start then links to it.
//
// The tracer's sampler and the OnStart method of its processors are called on the goroutine
// of the run before the run begins. Those of the SDK do not block. Spans are ended
// elsewhere, so no exporter can block the run.
func (t *Telemetry) Around(ctx child.Context, run func(child.Context) error) error {
	outer, _ := ctx.Value(runKey{}).(*runContext)
	sup, ok := supervisor.FromContext(ctx)
	if !ok {
		return run(ctx)
	}
	var w *tree
	if outer != nil && outer.by == t {
		w = outer.tree
	} else if w = t.watched(sup.Root()); w == nil || w.spans == nil {
		return run(ctx)
	}
	c := &runContext{by: t, tree: w}
	if !c.begin(ctx, outer) {
		return run(ctx)
	}
	return run(&readyContext{child.FromContext(c), c})
}

// Link returns a link to the span of the start of the run that ctx belongs to, for spans
// that are begun later in that run:
//
//	ctx, span := tracer.Start(ctx, "poll", trace.WithLinks(coppiceotel.Link(ctx)))
//
// If there is no such span, the span context of the link is not valid, and the SDK ignores
// the link.
func Link(ctx context.Context) trace.Link {
	if ctx == nil {
		return trace.Link{}
	}
	if c, ok := ctx.Value(runKey{}).(*runContext); ok {
		return trace.Link{SpanContext: c.start.SpanContext()}
	}
	return trace.Link{}
}

// runKey is the key under which a runContext returns itself.
type runKey struct{}

// A runContext is the context of one run. Its span depends on how far the run is: the span
// of the start until the run is ready, then none.
type runContext struct {
	context.Context // has &place as its span
	place           place

	by    *Telemetry
	tree  *tree
	start trace.Span   // of the start of this run
	user  trace.Span   // what the context that the root was started with has
	ready atomic.Int64 // when it was found to be ready, as Unix time in nanoseconds; zero before
}

// A place is where runContext finds out that a span is asked for: it is the span of the
// context below it. Only a runContext ever sees it.
type place struct{ trace.Span }

// begin starts the span. It reports whether there is one.
func (c *runContext) begin(ctx child.Context, outer *runContext) bool {
	if ctx.Err() != nil {
		return false // asked to stop before it began: it will not be ready
	}
	found := trace.SpanFromContext(ctx)
	c.user = found
	if outer != nil && found.SpanContext().Equal(outer.start.SpanContext()) {
		c.user = outer.user
	}
	number := supervisor.RunNumber(ctx)
	if number == 0 {
		return false // it was abandoned before it began
	}
	path, began := ctx.Path(), time.Now()
	parent := c.tree.spans.parentOfStart(ctx, path, found, began)
	c.start = c.tree.spans.begin(parent, path, number, began, c)
	if c.start == nil {
		return false
	}
	c.place.Span = c.start
	c.Context = trace.ContextWithSpan(ctx, &c.place)
	return true
}

// Value returns the values of the context below, except for the span.
func (c *runContext) Value(key any) any {
	if key == (runKey{}) {
		return c
	}
	v := c.Context.Value(key)
	if p, ok := v.(*place); !ok || p != &c.place {
		return v
	}
	if c.ready.Load() == 0 && c.Err() == nil {
		return c.start
	}
	if c.user.IsRecording() {
		return c.user
	}
	return nil
}

// becomes records that the run is ready, unless that is known.
func (c *runContext) becomes(at time.Time) { c.ready.CompareAndSwap(0, max(1, at.UnixNano())) }

// A readyContext is the argument of run. It notices that the run is ready before the event
// arrives.
type readyContext struct {
	child.Context
	run *runContext
}

// Ready is described at child.Context.
func (c *readyContext) Ready() error {
	err := c.Context.Ready()
	if err == nil {
		c.run.becomes(time.Now())
	}
	return err
}

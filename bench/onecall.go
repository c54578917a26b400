package bench

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

const inOneCall = 10

// A handful starts and stops the children 0 to inOneCall-1 of a running crew.
type handful interface {
	addAll()
	removeAll()
	stop()
}

type handfulShape struct {
	kind Kind
	name string
	make func() handful
	base bool
}

func handfuls() (all []handfulShape) {
	for _, s := range []struct {
		name string
		is   strategy.Strategy
	}{{"Independent", strategy.Independent}, {"OneForOne", strategy.OneForOne}, {"Graph", strategy.Graph}} {
		all = append(all,
			handfulShape{Ours, "Coppice, " + s.name, func() handful { return newOneCall(s.is) }, false},
			handfulShape{Ours, "Coppice, " + s.name + ", ten single calls", func() handful { return oneByOne{newCoppice(s.is)(0)} }, false})
	}
	return append(all,
		handfulShape{Floor, "record with context", func() handful { return &atOnce{row[*record]{start: startRecord}} }, false},
		handfulShape{Floor, "record with context, one by one", func() handful { return oneByOne{goRecord.make(0)} }, false},
		handfulShape{Peer, byGoService.name, func() handful { return newGsCall() }, true},
		handfulShape{Peer, byGoService.name + ", ten single calls", func() handful { return oneByOne{newGoService(0)} }, false})
}

// manyInOneCall measures the start and stop of ten children by one call each. Beside it are ten
// single calls, which must not be cheaper.
func manyInOneCall() Measure {
	m := Measure{
		Name: "start + ready + stop, ten children in one call", Unit: "ten children",
		Target: "1.5x; at most ten single calls, under each strategy", Base: goService,
	}
	for _, s := range handfuls() {
		m.Shapes = append(m.Shapes, Shape{s.kind, s.name, func(m *Meter) {
			need(inOneCall)
			c := s.make()
			for m.more() {
				m.time(batch/inOneCall, func() {
					for range batch / inOneCall {
						c.addAll()
						c.removeAll()
					}
				})
			}
			c.stop()
		}, s.base})
	}
	return m
}

type oneCall struct {
	coppice
	specs []child.Spec
}

func newOneCall(s strategy.Strategy) handful {
	c := &oneCall{coppice: newCoppice(s)(0).(coppice)}
	for i := range inOneCall {
		c.specs = append(c.specs, child.Spec{Name: names[i], Run: idle})
	}
	return c
}

func (c *oneCall) addAll()    { must(c.sup.StartChild(bg, c.specs...)) }
func (c *oneCall) removeAll() { must(c.sup.RemoveChild(bg, names[:inOneCall]...)) }

// oneByOne uses single calls.
type oneByOne struct{ crew }

func (c oneByOne) addAll() {
	for i := range inOneCall {
		c.add(i)
	}
}

func (c oneByOne) removeAll() {
	for i := inOneCall - 1; i >= 0; i-- {
		c.remove(i)
	}
}

// atOnce starts all before it waits for the first.
type atOnce struct{ row[*record] }

func (c *atOnce) addAll() {
	for range inOneCall {
		c.all = append(c.all, c.start())
	}
	for _, r := range c.all {
		r.ready()
	}
}

func (c *atOnce) removeAll() {
	c.row.stop()
	c.all = c.all[:0]
}

type gsCall struct{ *gsCrew }

func newGsCall() handful {
	c := gsCall{newGoService(0).(*gsCrew)}
	c.declare(inOneCall)
	return c
}

func (c gsCall) addAll()    { must(c.runner.start(bg, c.services...)) }
func (c gsCall) removeAll() { must(c.runner.haltAll(bg, c.services...)) }

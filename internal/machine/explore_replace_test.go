package machine

import (
	"fmt"

	"github.com/coppice-go/coppice/child"
)

// A replacement is a Replace that has not been answered.
type replacement struct {
	name string
	spec *child.Spec // the new one
	old  *child.Spec // the one that the child had
}

// replacements adds the moves that replace the spec of a child, with one like it, and that
// take a replacement back.
func (w *world) replacements(request func(string, func(*world, *Waiter)), add func(string, func(*world))) {
	for c := w.m.first; c != nil; c = c.next {
		n := c.Name()
		for i, edges := range append([]child.Spec{*c.Spec}, w.scene.edges[n]...) {
			name := "replace " + n
			if i > 0 {
				name += fmt.Sprint(" with other edges ", i)
			}
			request(name, func(w *world, who *Waiter) {
				c := w.m.Child(n)
				spec := *c.Spec
				spec.Needs, spec.After = edges.Needs, edges.After
				if w.m.refuseRelink(c, &spec) != nil {
					w.m.Replace(c, &spec, who, 0)
					return
				}
				r := &replacement{n, &spec, c.Spec}
				w.replaced[who.Owner.(int)] = r
				w.m.Replace(c, &spec, who, 0)
				if t := w.m.trials[c]; t != nil && t.spec == &spec { // other edges need a copy of the old spec
					if r.old = c.Spec; t.old != nil {
						r.old = t.old
					}
				}
			})
		}
		if t := w.m.trials[c]; t != nil && !t.back && w.m.phase < Closing {
			add("take back "+n, func(w *world) {
				w.calls--
				c := w.m.Child(n)
				t, old := w.m.trials[c], c.Spec
				if t.old != nil {
					old = t.old
				}
				w.do("take back "+n, func() { w.m.TakeBack(c, errWorld, 0) })
				if c.Spec != old {
					w.fail("a replacement that is taken back brings the old spec back: %s", n)
				}
			})
		}
	}
}

// checkReplaced checks that a caller of Replace whose answer is good got its spec, and that
// the child of another has its old one.
func (w *world) checkReplaced(who int, err error) {
	r := w.replaced[who]
	if r == nil {
		return
	}
	delete(w.replaced, who)
	c := w.m.Child(r.name)
	switch {
	case c == nil || w.m.phase >= Closing || err == ErrReplacing:
	case err == nil && c.Spec != r.spec:
		w.fail("a child that is ready with a new spec keeps it: %s", r.name)
	case err != nil && c.Spec != r.old && c.Spec == r.spec:
		w.fail("a child that is not ready with a new spec has its old one: %s: %v", r.name, err)
	}
	if back, ok := err.(*TakenBack); ok && back.Old == nil && !back.Down && c != nil && w.m.phase < Closing && c.state != child.Running && c.state != child.Done && !c.Ignored {
		w.fail("a child whose old spec is back runs: %s is %v", r.name, c.state)
	}
}

// checkOldStart checks that a child that was down before its replacement is not started with
// its old spec, unless a caller has restarted it since.
func (w *world) checkOldStart(c *Child) {
	if t := w.m.trials[c]; t != nil && t.back && t.down {
		w.fail("a child that was down before its replacement is not started with its old spec: %s", c.Name())
	}
}

// checkTrials checks that a trial ends with the start that it is about, and does not end the
// supervisor.
func (w *world) checkTrials() {
	if t := w.m.trials[w.m.end.Child]; t != nil && t.old != nil && !t.back {
		w.fail("a child that is on trial does not end its supervisor: %s", w.m.end.Child.Name())
	}
	for c, t := range w.m.trials {
		switch {
		case !w.m.isPresent(c):
			w.fail("a child that is removed is not on trial: %s", c.Name())
		case c.marked, w.m.mustStop(c), w.m.phase >= Closing: // it will start, or stop, or never start
		case c.state == child.Done || c.state == child.Stopped:
			w.fail("a child that is down is not on trial: %s", c.Name())
		case c.state == child.Running:
			w.fail("a child that is ready is not on trial: %s", c.Name())
		case t.old != nil && !t.back && c.Spec != t.spec, t.back && c.Spec != t.old:
			w.fail("the spec of a child fits its trial: %s", c.Name())
		}
	}
}

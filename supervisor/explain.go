package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// An Explanation says what a supervisor and everything below it will do, according to the
// settings in force: what is restarted when and with what, when supervisors give up, and how
// long a start and a stop may take. It says nothing of what has happened: see Tree, and
// Forecast for what follows from that.
type Explanation struct {
	Path      string
	Strategy  strategy.Strategy
	Intensity strategy.Intensity
	Children  []ChildExplanation // in the order of Supervisor.Children

	// LongestStart is the longest time until all children are ready, if none of them fails.
	// It is child.Forever if there is no limit, because a child has no StartTimeout.
	LongestStart time.Duration

	// LongestStop is the longest time that a stop takes, with the Drain of a root. It is
	// child.Forever if there is no limit. Children that hang are abandoned within this time.
	// It does not count time in which the process is suspended or stands still, nor the
	// second for which Serve and Stop wait for the log and the subscribers.
	LongestStop time.Duration

	// StartParts and StopParts are the children, and settings, that make LongestStart and
	// LongestStop what they are: the longest first, five at most.
	StartParts, StopParts []Part
}

// A Part is a share of a longest time. Where children start or stop one after another, their
// times add up.
type Part struct {
	Path    string        // of the child, or of the supervisor whose setting it is
	Time    time.Duration // child.Forever: no limit
	Setting string        // what sets it: "StopTimeout", "StartTimeout", "Spec.StopTimeout", "Spec.Drain"
}

// A ChildExplanation says what its supervisor will do with a child.
type ChildExplanation struct {
	Path    string
	Restart child.Restart

	// With are the names of the children that are restarted together with it when it fails,
	// in start order, itself included; under Graph, those that need it, in the order of the
	// children. A child that a caller has stopped is not restarted. With is empty if the child is not restarted.
	With []string

	// Delays are the delays before the first restarts of a child that keeps failing, up to
	// eight. It is empty if restarts are immediate.
	Delays []Delay

	// GivesUp is what follows if the child fails each time as soon as it is ready: each
	// supervisor that gives up, from its own one up to the root. It is empty if that does not
	// happen, or only after a thousand restarts.
	GivesUp []GiveUp

	LongestStart time.Duration // until it is ready; child.Forever: no limit
	LongestStop  time.Duration // child.Forever: no limit

	Supervisor *Explanation // of the supervisor that runs, or last ran, in the child; or nil
}

// A Delay is a delay before a restart: without jitter, and its range with jitter. The range is
// known for the policies of package child and for the ExponentialBackOff of cenkalti/backoff.
type Delay struct {
	Nominal, Min, Max time.Duration
}

// A GiveUp is a supervisor that gives up.
type GiveUp struct {
	Path     string        // of the supervisor
	Restarts int           // of its child, before the failure with which it gives up
	After    time.Duration // since the first failure of the first child, with delays without jitter
	Then     string        // what follows: ThenRestarted, ThenDown or ThenEnds
}

// What follows when a supervisor gives up.
const (
	ThenRestarted = "restarted"  // its own supervisor restarts it
	ThenDown      = "stays down" // it is not restarted, because its child is not Permanent
	ThenEnds      = "ends"       // it is the root: Serve returns
)

// shownDelays is the number of delays that an Explanation has.
const shownDelays = 8

// mostExplained is the number of restarts that Explain looks ahead. It is small, because each
// child may have a policy of its own.
const mostExplained = 1000

// Explain says what the supervisor and everything below it will do, as text and as a struct:
//
//	fmt.Println(root.Explain())
//	if err := root.Explain().Fits(30 * time.Second); err != nil { // terminationGracePeriodSeconds
//		log.Print(err)
//	}
//
// Each supervisor is looked at separately, from the root down. A supervisor that runs in a
// child is known once it has started, so call Explain when the tree is up. Before the start,
// Explain knows only the declared children.
//
// Under Graph, the longest start and stop are those of the longest path along Needs and After.
// GiveUp.After does not count the time that a child waits for those that it needs to be ready,
// or for those that need it to stop.
//
// Explain calls each Backoff, to see its delays. A policy that gives up after some time, not
// after a number of delays, seems never to give up.
func (s *Supervisor) Explain() Explanation {
	l := s.latest()
	if l == nil {
		spec := s.declaredSpec()
		x := explained{path: s.Path(), spec: spec, ordered: rules.Ordered(spec.Strategy), root: true}
		for i := range spec.Children {
			x.children = append(x.children, explainedChild{spec: &spec.Children[i]})
		}
		e, _ := x.explain(nil)
		return e
	}
	e, _ := l.explained().explain(l.ladder())
	return e
}

// ExplainChild is Explain for the child at path alone. It does not explain what runs in the
// child, so its Supervisor is nil, but that counts for the longest start and stop. A path is a
// name, a path from this supervisor, or a full path. It reports false if there is no such
// child or the supervisor is not running.
func (s *Supervisor) ExplainChild(path string) (ChildExplanation, bool) {
	l, name, err := s.resolve(path)
	if err != nil {
		return ChildExplanation{}, false
	}
	x, above := l.explainedAround(name), l.ladder()
	for i := range x.children {
		if x.children[i].spec.Name == name {
			e, _ := x.explainChild(i, x.names(), above, nil)
			e.Supervisor = nil
			return e, true
		}
	}
	return ChildExplanation{}, false
}

// An explained is what an Explanation is made of: a copy of what the supervisor has.
type explained struct {
	path     string
	spec     *Spec
	ordered  bool
	around   bool // something is called around each run, and may take time
	root     bool
	children []explainedChild

	timesOnly bool // only the longest start and stop are of interest

	edgeMap    *edgeMap // of a Graph supervisor, once edgesKnown
	edgesKnown bool
}

type explainedChild struct {
	spec   *child.Spec
	nested *life // the supervisor that runs, or last ran, in it; or nil
}

// explainedAround is explained for the child of that name, and those that are restarted with
// it: there may be very many others.
func (l *life) explainedAround(name string) *explained {
	l.lock()
	c := l.m.Child(name)
	if c == nil || l.restartsGroups() || l.graph && c.HasEdges() {
		l.mu.Unlock()
		return l.explained()
	}
	defer l.mu.Unlock()
	x := l.explainedAlone()
	x.spec, x.children = l.spec, []explainedChild{explainedOf(c)}
	return x
}

// explainedAlone returns what is known of the supervisor without its lock.
func (l *life) explainedAlone() *explained {
	return &explained{path: l.path, ordered: l.ordered, around: len(l.around) > 0, root: l.parent == nil}
}

// explainedOf copies what is known of a child. The lock must be held.
func explainedOf(c *machine.Child) explainedChild {
	one := explainedChild{spec: c.Spec}
	if c.Super {
		rare := runOfChild(c).rareFields()
		if one.nested = rare.nested; one.nested == nil && rare.super != nil {
			one.nested = rare.super.latest()
		}
	}
	return one
}

// explained copies what the supervisor has. Only pointers are copied under the lock, because
// specs are never changed.
func (l *life) explained() *explained {
	x := l.explainedAlone()
	for room := 0; ; {
		x.children = make([]explainedChild, 0, room)
		if room = l.copyChildren(x); room == 0 {
			return x
		}
	}
}

// copyChildren copies the children if there is room for them, and else returns how much room
// they need.
func (l *life) copyChildren(x *explained) (need int) {
	l.lock()
	defer l.mu.Unlock()
	x.spec = l.spec
	n := l.m.Specs()
	if n > cap(x.children) {
		return n + n/8
	}
	for c := l.m.First(); c != nil; c = c.Next() {
		x.children = append(x.children, explainedOf(c))
	}
	return 0
}

// A rung is a supervisor on the way to the root, and the child of it that is on the way.
type rung struct {
	path  string
	spec  *Spec
	child *child.Spec
}

// ladder returns the supervisors above l, up to the root.
func (l *life) ladder() (rungs []rung) {
	for l.parent != nil {
		r := l.parent
		l = r.life
		l.lock()
		rungs = append(rungs, rung{l.path, l.spec, r.child.Spec})
		l.mu.Unlock()
	}
	return rungs
}

// explain makes the Explanation. times are those of the supervisor as a child.
func (x *explained) explain(above []rung) (e Explanation, times lasting) {
	e = Explanation{Path: x.path, Strategy: x.spec.Strategy, Intensity: x.spec.Intensity}
	names, known := x.names(), map[outlookKey][]GiveUp{}
	sum := newSum(x)
	for i := range x.children {
		c, t := x.explainChild(i, names, above, known)
		e.Children = append(e.Children, c)
		sum.add(c, t)
	}
	times = sum.total()
	e.LongestStart, e.StartParts = times.start, times.startParts
	e.LongestStop, e.StopParts = sum.withDrain(times)
	return e, times
}

// names returns the names of the children.
func (x *explained) names() []string {
	names := make([]string, len(x.children))
	for i := range x.children {
		names[i] = x.children[i].spec.Name
	}
	return names
}

// along returns the names of the children that are restarted together with the one at i.
func (x *explained) along(i int, names []string) []string {
	switch x.spec.Strategy {
	case strategy.OneForAll:
		return names
	case strategy.RestForOne:
		return names[i:]
	case strategy.Graph:
		if e := x.edges(); e != nil {
			return e.along(i, names)
		}
	}
	return names[i : i+1 : i+1]
}

// An outlookKey identifies children of one supervisor that give up alike: those that have no
// backoff of their own.
type outlookKey struct {
	restart    child.Restart
	resetAfter time.Duration
}

// explainChild explains one child.
func (x *explained) explainChild(i int, names []string, above []rung, known map[outlookKey][]GiveUp) (e ChildExplanation, t lasting) {
	c := &x.children[i]
	spec := c.spec
	e = ChildExplanation{Path: x.path + "/" + spec.Name, Restart: spec.Restart}
	ladder := append([]rung{{x.path, x.spec, spec}}, above...)
	if spec.Restart != child.Temporary && !x.timesOnly {
		e.With = x.along(i, names)
		e.Delays = ladder[0].delays()
		key, shared := outlookKey{spec.Restart, spec.ResetAfter}, spec.Backoff == nil
		gives, found := known[key]
		if !shared || !found {
			gives = givesUp(ladder)
			if shared && known != nil {
				known[key] = gives
			}
		}
		e.GivesUp = gives
	}
	var below lasting
	if c.nested != nil {
		inner := c.nested.explained()
		inner.timesOnly = x.timesOnly || known == nil
		nested, times := inner.explain(ladder)
		e.Supervisor, below = &nested, times
	}
	t = lastingOf(e.Path, spec, c.nested != nil, runsSupervisor(spec.Run) && !x.around, below)
	e.LongestStart, e.LongestStop = t.start, t.stop
	return e, t
}

// backoff returns the backoff of the child, or nil.
func (r *rung) backoff() child.Backoff {
	if r.child.Backoff != nil {
		return r.child.Backoff
	}
	return r.spec.Backoff
}

// givesUp returns which supervisors give up if the first child keeps failing.
func givesUp(ladder []rung) (all []GiveUp) {
	var first, fresh bound
	for i := range ladder {
		r := &ladder[i]
		if i > 0 && r.child.Restart != child.Permanent {
			break
		}
		o := outlook{restart: r.child.Restart, backoff: r.backoff(), resetAfter: r.child.ResetAfter, window: rules.NewWindow(r.spec.Intensity), most: mostExplained}
		if o.resetAfter == 0 {
			o.resetAfter = child.DefaultResetAfter
		}
		if first, fresh = o.giveUp(first.after, fresh.after); first.restarts < 0 || first.after > century {
			break
		}
		g := GiveUp{Path: r.path, Restarts: first.restarts, After: first.after, Then: ThenEnds}
		if i+1 < len(ladder) {
			g.Then = ThenRestarted
			if ladder[i+1].child.Restart != child.Permanent {
				g.Then = ThenDown
			}
		}
		all = append(all, g)
	}
	return all
}

// delays returns the first delays of a child that keeps failing.
func (r *rung) delays() (all []Delay) {
	backoff := r.backoff()
	if backoff == nil {
		return nil
	}
	defer func() { _ = recover() }() // a policy that panics gives up
	policy := backoff()
	if policy == nil {
		return nil
	}
	factor := jitter.Factor(policy)
	jitter.Remove(policy)
	for range shownDelays {
		d := policy.NextBackOff()
		if d < 0 {
			break
		}
		spread := time.Duration(factor * float64(d))
		all = append(all, Delay{Nominal: d, Min: d - spread, Max: machine.After(d, spread)})
	}
	return all
}

package coppiceprom

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/internal/readiness"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A snapshot is what a scrape has read of the tree.
type snapshot struct {
	tree     supervisor.Tree
	at       time.Time // no later than the tree
	health   readiness.Health
	branches []*branch // in the order of the tree; the root is first
	paths    map[string]*branch
	known    map[string]bool // paths of the children that have series already
	gates    *extras[gate.Gate]
	jobs     *extras[periodic.Job]
}

// A branch is a child or supervisor that has series, if they fit.
type branch struct {
	*supervisor.Tree
	up       *branch // the supervisor that its children are counted in, if its own series do not fit; nil for the root
	standard bool    // it has series by default
	declared map[string]bool
	tally
	kid   *kid
	group *group
}

// A tally counts the children of a supervisor.
type tally struct {
	states    [len(states)]int // all
	trouble   int              // all that are in trouble
	plain     int              // without series of their own
	degraded  int              // those of them in trouble
	abandoned int              // abandoned runs of theirs
}

func (t *tally) add(other *tally) {
	for i := range t.states {
		t.states[i] += other.states[i]
	}
	t.trouble += other.trouble
	t.plain += other.plain
	t.degraded += other.degraded
	t.abandoned += other.abandoned
}

// addPlain counts a child as one without series of its own.
func (t *tally) addPlain(st *child.Status) {
	t.plain++
	t.abandoned += st.Abandoned
	if wellness.InTrouble(st) {
		t.degraded++
	}
}

// look reads the tree. It holds no lock, since it calls SeriesFor.
func (c *Collector) look() *snapshot {
	s := &snapshot{at: time.Now(), paths: map[string]*branch{}, known: c.known()}
	s.tree = c.root.Tree()
	s.health = readiness.Of(c.root)
	s.gates, s.jobs = findGates(c.root), findJobs(c.root)
	c.branch(s, &s.tree, nil, true)
	return s
}

// known returns the paths of the children that have series.
func (c *Collector) known() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	paths := make(map[string]bool, len(c.ledger.kids))
	for path := range c.ledger.kids {
		paths[path] = true
	}
	return paths
}

// branch adds a child or supervisor that should have series, and everything below it.
func (c *Collector) branch(s *snapshot, t *supervisor.Tree, up *branch, standard bool) {
	b := &branch{Tree: t, up: up, standard: standard}
	s.branches = append(s.branches, b)
	s.paths[t.Path] = b
	if !t.Supervisor {
		return
	}
	if standard {
		b.declared = c.declared(t)
	}
	c.below(s, t, b, standard)
}

// below looks at the children of t, which are counted in b.
func (c *Collector) below(s *snapshot, t *supervisor.Tree, b *branch, standard bool) {
	for i := range t.Children {
		kid := &t.Children[i]
		if int(kid.State) < len(b.states) {
			b.states[kid.State]++
		}
		if wellness.InTrouble(&kid.Status) {
			b.trouble++
		}
		standard := standard && b.declared[kid.Name]
		switch {
		case standard || s.known[kid.Path] || c.asksFor(kid.Path): // what has series keeps them, also after an Upgrade
			c.branch(s, kid, b, standard)
		default:
			b.addPlain(&kid.Status)
			c.below(s, kid, b, false)
		}
	}
}

// declared returns the names of those children of a supervisor that have series by
// default.
func (c *Collector) declared(t *supervisor.Tree) map[string]bool {
	if t.Strategy == strategy.Independent {
		return nil
	}
	sup, ok := c.root, true
	if t.Path != c.root.Path() {
		sup, ok = c.root.Nested(t.Path)
	}
	if !ok {
		return nil // it does not run, so it has no children now
	}
	return declaredBy(sup)
}

// place gives the branches their series, as far as there is room: those that have them by
// default first. It returns how many series do not fit. What has none is counted above.
func (s *snapshot) place(l *ledger, r *registrar) (omitted int) {
	l.forget(s)
	if omitted = s.placeOnce(l, r); l.crowded {
		l.evict(r)
		omitted = s.placeOnce(l, r)
	}
	for i := len(s.branches) - 1; i > 0; i-- { // children before their supervisors
		b := s.branches[i]
		if b.kid == nil {
			b.up.addPlain(&b.Status)
		}
		if b.Supervisor && b.group == nil {
			b.up.tally.add(&b.tally)
		}
	}
	for _, b := range s.branches {
		if g := b.group; g != nil && (b.plain > 0 || b.Strategy == strategy.Independent) {
			g.hasRest = true // so that the counters are there, with 0, before the first event
		}
	}
	return omitted
}

func (s *snapshot) placeOnce(l *ledger, r *registrar) (omitted int) {
	for _, standard := range []bool{true, false} {
		for _, b := range s.branches {
			if b.standard == standard {
				omitted += b.place(l, r)
			}
		}
	}
	return omitted + s.gates.place(s.branches, l) + s.jobs.place(s.branches, l)
}

// place finds or adds the series of a branch, and returns how many do not fit.
func (b *branch) place(l *ledger, r *registrar) (missing int) {
	if b.up != nil && b.kid == nil { // the root is no child
		if b.kid = l.kid(b.Path); b.kid == nil {
			missing += childSeries
		} else {
			b.kid.now, b.kid.gone = b, false
		}
	}
	if b.Supervisor && b.group == nil {
		g := l.groups[b.Path]
		if g == nil && (b.up == nil || l.fits(l.cost)) {
			g = l.addGroup(b.Path, r)
		}
		if g == nil {
			return missing + l.cost
		}
		b.group, g.now, g.gone = g, b, false
		if b.State.Alive() {
			g.declared = b.declared
		}
	}
	return missing
}

// forget marks what the snapshot shows to be removed. What is only not shown, because a
// supervisor above it is down, is not.
func (l *ledger) forget(s *snapshot) {
	for path, k := range l.kids {
		k.now = nil
		k.gone = s.paths[path] == nil && k.since.Before(s.at) && s.removed(path)
	}
	for path, g := range l.groups {
		g.now = nil
		g.gone = s.paths[path] == nil && g.since.Before(s.at) && s.removed(path)
	}
}

// removed reports whether the nearest supervisor above path that the snapshot has is up,
// and so would show what is at path.
func (s *snapshot) removed(path string) bool {
	for up := parent(path); up != ""; up = parent(up) {
		if b := s.paths[up]; b != nil {
			return !b.Supervisor || b.State == child.Running
		}
	}
	return true // another root
}

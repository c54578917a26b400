package coppiceprom

import (
	"sync"

	"github.com/coppice-go/coppice/supervisor"
	"github.com/prometheus/client_golang/prometheus"
)

// A Collector exports one tree. It is a prometheus.Collector; create one with New. All methods
// may be called from any goroutine.
type Collector struct {
	root      *supervisor.Supervisor
	spec      Spec
	registrar *registrar
	cancel    []func()
	warn      sync.Once

	scrapes sync.Mutex // one scrape at a time reads the tree

	mu     sync.Mutex // taken after scrapes, and before the locks of supervisors
	ledger *ledger
}

// New returns a collector for the tree of root, which counts its events from now on. Call it
// before root is started, so that the counters have all of them, and register the result:
//
//	prometheus.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}))
//
// The label tree is the name that root has now. A registry refuses a second collector for
// the same name (prometheus.AlreadyRegisteredError). If root is nested in another
// supervisor, the collector covers the part of the tree at and below it.
//
// New works in each state of root, and the collector lasts over all its starts. Before the
// first start and after the end, a scrape shows the state of the root, the children that are
// left, and the counters. New panics if root is nil or spec.Buckets are not in increasing
// order.
func New(root *supervisor.Supervisor, spec Spec) *Collector {
	if root == nil {
		panic("coppiceprom.New: the supervisor is nil")
	}
	spec = spec.withDefaults()
	tree := valid(name(root.Path()))
	c := &Collector{
		root: root, spec: spec,
		registrar: newRegistrar(tree, spec.Buckets),
		ledger:    newLedger(spec.MaxSeries, len(spec.Buckets)),
	}
	c.mu.Lock()
	c.learn(root.Path())
	c.mu.Unlock()
	c.cancel = []func(){
		root.Subscribe(c.count, countedKinds...),
		root.Subscribe(c.measure, timedKinds...),
	}
	return c
}

// Close ends the counting of events. It is only needed for a collector that is no longer used
// while its supervisor is. A scrape after Close shows the tree as before, but counters and
// histograms do not change any more. Unregister the collector, too. Close may be called more
// than once.
func (c *Collector) Close() {
	for _, cancel := range c.cancel {
		cancel()
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) { c.registrar.describe(ch) }

// Collect implements prometheus.Collector. It may be called several times at once; each call
// exports a snapshot of its own.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.scrape() { // the receiver may be slow, so no lock is held here
		ch <- m
	}
}

func (c *Collector) scrape() []prometheus.Metric {
	c.scrapes.Lock()
	defer c.scrapes.Unlock()
	s := c.look()
	r := c.settle(s)
	out := output{registrar: c.registrar, metrics: make([]prometheus.Metric, 0, treeSeries+childSeries*len(r.kids)+groupSeries*len(r.groups))}
	out.tree(s, r.lost, r.omitted)
	for i := range r.groups {
		out.group(&r.groups[i], c.spec.DegradedAbove)
	}
	for i := range r.kids {
		out.kid(s, &r.kids[i])
	}
	out.gates(r.kids)
	return out.metrics
}

// A reading is a copy of the ledger. The metrics are made of it without the lock, which
// events wait for.
type reading struct {
	groups  []group
	kids    []kid
	lost    uint64
	omitted int
}

// settle gives series to what is in the snapshot, and reads the ledger.
func (c *Collector) settle(s *snapshot) (r reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.omitted = s.place(c.ledger, c.registrar)
	r.lost = c.ledger.lost
	r.groups, r.kids = make([]group, 0, len(c.ledger.groups)), make([]kid, 0, len(c.ledger.kids))
	for _, g := range c.ledger.groups {
		r.groups = append(r.groups, *g)
	}
	for _, k := range c.ledger.kids {
		r.kids = append(r.kids, *k)
	}
	return r
}

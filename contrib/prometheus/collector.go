package coppiceprom

import (
	"sync"

	"github.com/coppice-go/coppice/child"
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

	mu                 sync.Mutex // taken after scrapes, and before the locks of supervisors
	ledger             *ledger
	starting, stopping phases
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
		starting:  phases{}, stopping: phases{},
	}
	c.mu.Lock()
	c.learn(root.Path())
	c.mu.Unlock()
	c.cancel = []func(){
		root.Subscribe(c.count, countedKinds...),
		root.Subscribe(c.time, timedKinds...),
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
	c.mu.Lock()
	defer c.mu.Unlock()
	omitted := s.place(c.ledger, c.registrar)
	c.starting.sweep(c.root, child.Starting)
	c.stopping.sweep(c.root, child.Stopping)
	out := output{registrar: c.registrar, metrics: make([]prometheus.Metric, 0, treeSeries+childSeries*len(s.branches))}
	out.tree(s, c.ledger.lost, omitted)
	for path, g := range c.ledger.groups {
		out.group(path, g, c.spec.DegradedAbove)
	}
	for path, k := range c.ledger.kids {
		out.kid(s, path, k)
	}
	return out.metrics
}

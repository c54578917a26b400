package coppiceprom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coppice-go/coppice/internal/wellness"
)

// An output collects the metrics of one scrape.
type output struct {
	*registrar
	metrics []prometheus.Metric
}

func (o *output) add(of int, value float64, labels ...string) {
	o.metrics = append(o.metrics, prometheus.MustNewConstMetric(o.descs[of], instruments[of].kind, value, labels...))
}

func (o *output) addBool(of int, yes bool, labels ...string) { o.add(of, number(yes), labels...) }

func (o *output) addCounter(of int, value uint64, since time.Time, labels ...string) {
	o.metrics = append(o.metrics, prometheus.MustNewConstMetricWithCreatedTimestamp(
		o.descs[of], prometheus.CounterValue, float64(value), since, labels...))
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// seconds returns a Unix time.
func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// tree adds the metrics of the whole tree.
func (o *output) tree(s *snapshot, lost uint64, omitted int) {
	o.addBool(treeReady, s.health.Ready)
	o.addBool(treeDraining, s.health.Draining)
	for i, state := range states {
		o.addBool(treeState, int(s.tree.State) == i, state)
	}
	o.add(eventsLost, float64(lost))
	o.add(seriesOmitted, float64(omitted))
}

// group adds the metrics of a supervisor. Of one that is not in the snapshot, there are only
// counters and histograms.
func (o *output) group(g *group, degradedAbove float64) {
	label := valid(g.path)
	o.addCounter(supervisorGaveUp, g.gaveUp, g.since, label)
	o.metrics = append(o.metrics, g.start.(prometheus.Metric), g.stop.(prometheus.Metric))
	b := g.now
	if b == nil {
		if g.hasRest {
			o.counts(label+"/*", &g.rest, 0)
		}
		return
	}
	for i, state := range states {
		o.add(children, float64(b.states[i]), label, state)
	}
	o.add(childrenInTrouble, float64(b.trouble), label)
	o.addBool(supervisorDegraded, wellness.Degraded(b.plain, b.degraded, degradedAbove), label)
	o.addBool(supervisorSuspended, b.Suspended, label)
	if n, _, ok := b.Intensity.Limit(); ok && n > 0 && b.State.Alive() {
		o.add(restartBudgetUsed, float64(b.Counted)/float64(n), label)
	}
	if g.hasRest {
		o.counts(label+"/*", &g.rest, b.abandoned)
	}
}

// kid adds the metrics of a child. Of one that is not in the snapshot, there are only
// counters.
func (o *output) kid(s *snapshot, k *kid) {
	label, abandoned := valid(k.path), 0
	if b := k.now; b != nil {
		abandoned = b.Status.Abandoned
		o.addBool(childReady, s.health.Child(&b.Status, b.up.State.Alive(), b.standard), label)
		for i, state := range states {
			o.addBool(childState, int(b.State) == i, label, state)
		}
		if k.job.Value != nil {
			o.job(label, k.job.Value)
		}
	}
	o.counts(label, &k.counts, abandoned)
}

// counts adds what is counted of a path. abandoned is the number of abandoned runs in the
// snapshot. It may be larger than what was counted, if the collector was made later, and it
// is smaller if the child was removed or its supervisor restarted since.
func (o *output) counts(label string, n *counts, abandoned int) {
	o.addCounter(childRestarts, n.restarts, n.since, label)
	o.addCounter(childFailures, n.errors, n.since, label, "error")
	o.addCounter(childFailures, n.panicked, n.since, label, "panic")
	o.addCounter(heartbeatsMissed, n.missed, n.since, label)
	o.add(runsAbandoned, float64(max(n.abandoned, abandoned)), label)
	if !n.lastFailure.IsZero() {
		o.add(childLastFailure, seconds(n.lastFailure), label)
	}
}

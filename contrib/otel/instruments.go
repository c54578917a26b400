package coppiceotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// instruments are the instruments of docs/metrics.md.
type instruments struct {
	observed []metric.Observable // all but the histograms

	treeReady, treeDraining, treeState metric.Int64Observable

	childReady, childState         metric.Int64Observable
	restarts, failures, heartbeats metric.Int64Observable
	lastFailure                    metric.Float64Observable
	abandoned                      metric.Int64Observable

	children, inTrouble         metric.Int64Observable
	gaveUp, degraded, suspended metric.Int64Observable
	budget                      metric.Float64Observable

	gateLeading, gateTransitions, gateRenewFailures metric.Int64Observable
	gateDeadline                                    metric.Float64Observable

	lastSuccess metric.Float64Observable

	eventsLost, seriesOmitted metric.Int64Observable

	starts, stops metric.Float64Histogram
}

// buckets are the upper bounds of the histograms, in seconds. A view of the program can
// replace them.
var buckets = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// newInstruments returns the instruments of a meter. A meter returns the same ones each
// time, so those of several trees are the same.
func newInstruments(m metric.Meter) *instruments {
	i := new(instruments)
	upDown := func(name, unit, about string) metric.Int64Observable {
		return keep(i)(m.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	counter := func(name, unit, about string) metric.Int64Observable {
		return keep(i)(m.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	gauge := func(name, unit, about string) metric.Float64Observable {
		o, err := m.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(about))
		report(err)
		i.observed = append(i.observed, o)
		return o
	}
	histogram := func(name, about string) metric.Float64Histogram {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(about),
			metric.WithExplicitBucketBoundaries(buckets...))
		report(err)
		return h
	}
	i.treeReady = upDown("coppice.tree.ready", "{tree}", "Whether Health returns nil.")
	i.treeDraining = upDown("coppice.tree.draining", "{tree}", "Whether the root waits for Spec.Drain before it stops.")
	i.treeState = upDown("coppice.tree.state", "{tree}", "Whether the root is in this state.")
	i.childReady = upDown("coppice.child.ready", "{child}", "Whether the child is ready, has completed, or declined to run.")
	i.childState = upDown("coppice.child.state", "{child}", "Whether the child is in this state.")
	i.restarts = counter("coppice.child.restarts", "{restart}", "Automatic restarts.")
	i.failures = counter("coppice.child.failures", "{failure}", "Failed runs and failed starts.")
	i.lastFailure = gauge("coppice.child.last_failure", "s", "Unix time of the last failure.")
	i.heartbeats = counter("coppice.heartbeats.missed", "{heartbeat}", "Runs that missed their heartbeat.")
	i.abandoned = upDown("coppice.runs.abandoned", "{run}", "Runs that were abandoned and have not returned yet.")
	i.children = upDown("coppice.child.count", "{child}", "Children in this state, declared and added.")
	i.inTrouble = upDown("coppice.child.in_trouble", "{child}", "Children in trouble.")
	i.starts = histogram("coppice.child.start.duration", "Time from the call of Run until the child is ready.")
	i.stops = histogram("coppice.child.stop.duration", "Time from when a run is asked to stop until it has returned or is abandoned.")
	i.gaveUp = counter("coppice.supervisor.gave_up", "{time}", "Times that the supervisor gave up.")
	i.degraded = upDown("coppice.supervisor.degraded", "{supervisor}", "Whether more than a tenth of the children without series of their own are in trouble.")
	i.suspended = upDown("coppice.supervisor.suspended", "{supervisor}", "Whether Suspend was called.")
	i.budget = gauge("coppice.restart_budget.used", "1", "Restarts in the period of Intensity, divided by its limit.")
	i.gateLeading = upDown("coppice.gate.leading", "{gate}", "Whether the gate is open.")
	i.gateTransitions = counter("coppice.gate.transitions", "{transition}", "Times that the gate opened.")
	i.gateRenewFailures = counter("coppice.gate.renew_failures", "{failure}", "Renewals of the lease that failed.")
	i.gateDeadline = gauge("coppice.gate.lease_deadline", "s", "Unix time before which nobody else can hold the lease.")
	i.lastSuccess = gauge("coppice.periodic.last_success", "s", "Unix time at which the periodic job last succeeded, or 0 if it never has.")
	i.eventsLost = counter("coppice.events.lost", "{event}", "Events missing in the counters and histograms, because very many came at once.")
	i.seriesOmitted = upDown("coppice.series.omitted", "{series}", "Series that did not fit into the limit at the last collection.")
	return i
}

// keep returns a function that takes the result of creating an observable instrument.
func keep(i *instruments) func(metric.Int64Observable, error) metric.Int64Observable {
	return func(o metric.Int64Observable, err error) metric.Int64Observable {
		report(err)
		i.observed = append(i.observed, o)
		return o
	}
}

// report passes an error to the handler of package otel.
func report(err error) {
	if err != nil {
		otel.Handle(err)
	}
}

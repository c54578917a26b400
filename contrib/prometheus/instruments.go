package coppiceprom

import (
	"github.com/coppice-go/coppice/child"
	"github.com/prometheus/client_golang/prometheus"
)

// An instrument is a row of the table in docs/metrics.md. All have the label tree, too.
type instrument struct {
	name   string
	kind   prometheus.ValueType
	help   string
	labels []string
}

const (
	treeReady = iota
	treeDraining
	treeState
	childReady
	childState
	childRestarts
	childFailures
	childLastFailure
	heartbeatsMissed
	runsAbandoned
	children
	childrenInTrouble
	supervisorGaveUp
	supervisorDegraded
	supervisorSuspended
	restartBudgetUsed
	gateLeading
	gateTransitions
	gateRenewFailures
	gateLeaseDeadline
	periodicLastSuccess
	eventsLost
	seriesOmitted
)

var instruments = [...]instrument{
	treeReady:           {"coppice_tree_ready", prometheus.GaugeValue, "Whether Health of the tree returns nil.", nil},
	treeDraining:        {"coppice_tree_draining", prometheus.GaugeValue, "Whether the root waits for Spec.Drain before it stops.", nil},
	treeState:           {"coppice_tree_state", prometheus.GaugeValue, "Whether the root is in this state.", []string{"state"}},
	childReady:          {"coppice_child_ready", prometheus.GaugeValue, "Whether the child is ready, has completed, or declined to run.", []string{"path"}},
	childState:          {"coppice_child_state", prometheus.GaugeValue, "Whether the child is in this state.", []string{"path", "state"}},
	childRestarts:       {"coppice_child_restarts_total", prometheus.CounterValue, "Automatic restarts of the child.", []string{"path"}},
	childFailures:       {"coppice_child_failures_total", prometheus.CounterValue, "Failed runs and failed starts of the child.", []string{"path", "error_type"}},
	childLastFailure:    {"coppice_child_last_failure_timestamp_seconds", prometheus.GaugeValue, "Unix time of the last failure of the child.", []string{"path"}},
	heartbeatsMissed:    {"coppice_heartbeats_missed_total", prometheus.CounterValue, "Runs of the child that missed their heartbeat.", []string{"path"}},
	runsAbandoned:       {"coppice_runs_abandoned", prometheus.GaugeValue, "Runs of the child that were abandoned and have not returned yet.", []string{"path"}},
	children:            {"coppice_children", prometheus.GaugeValue, "Children of the supervisor in this state.", []string{"supervisor", "state"}},
	childrenInTrouble:   {"coppice_children_in_trouble", prometheus.GaugeValue, "Children of the supervisor that are in trouble.", []string{"supervisor"}},
	supervisorGaveUp:    {"coppice_supervisor_gave_up_total", prometheus.CounterValue, "Times that the supervisor gave up.", []string{"supervisor"}},
	supervisorDegraded:  {"coppice_supervisor_degraded", prometheus.GaugeValue, "Whether too many of the supervisor's dynamic children are in trouble.", []string{"supervisor"}},
	supervisorSuspended: {"coppice_supervisor_suspended", prometheus.GaugeValue, "Whether the supervisor is suspended.", []string{"supervisor"}},
	restartBudgetUsed:   {"coppice_restart_budget_used_ratio", prometheus.GaugeValue, "Restarts that count towards the supervisor's Intensity, divided by its limit.", []string{"supervisor"}},
	gateLeading:         {"coppice_gate_leading", prometheus.GaugeValue, "Whether the gate is open.", []string{"gate"}},
	gateTransitions:     {"coppice_gate_transitions_total", prometheus.CounterValue, "Times that the gate opened.", []string{"gate"}},
	gateRenewFailures:   {"coppice_gate_renew_failures_total", prometheus.CounterValue, "Renewals of the lease that failed.", []string{"gate"}},
	gateLeaseDeadline:   {"coppice_gate_lease_deadline_timestamp_seconds", prometheus.GaugeValue, "Unix time until which nobody else can hold the lease.", []string{"gate"}},
	periodicLastSuccess: {"coppice_periodic_last_success_timestamp_seconds", prometheus.GaugeValue, "Unix time at which the periodic job last succeeded, or 0 if it never has.", []string{"path"}},
	eventsLost:          {"coppice_events_lost_total", prometheus.CounterValue, "Events that are missing in the counters and histograms.", nil},
	seriesOmitted:       {"coppice_series_omitted", prometheus.GaugeValue, "Series that did not fit into MaxSeries at this scrape.", nil},
}

// The two histograms, which have the label supervisor.
const (
	startDuration     = "coppice_child_start_duration_seconds"
	startDurationHelp = "Time from the call of Run until the child is ready."
	stopDuration      = "coppice_child_stop_duration_seconds"
	stopDurationHelp  = "Time from the end of the run's context until the run has returned or is abandoned."
)

// states are the values of the label state, by child.State.
var states = func() (names [child.Done + 1]string) {
	for s := range names {
		names[s] = child.State(s).String()
	}
	return names
}()

// Numbers of series.
const (
	treeSeries  = 4 + len(states)               // ready, draining, lost, omitted, state
	countSeries = 6                             // those that counts exports
	childSeries = 1 + len(states) + countSeries // ready, state
	gateSeries  = 4
	jobSeries   = 1
	groupSeries = len(states) + 5 + countSeries + 2*(1+2) // children, five others, rest; +Inf, sum and count of the histograms
)

// A registrar holds the descriptions of the metrics of one tree.
type registrar struct {
	tree        string
	descs       [len(instruments)]*prometheus.Desc
	start, stop *prometheus.HistogramVec
}

func newRegistrar(tree string, buckets []float64) *registrar {
	r := &registrar{tree: tree}
	constant := prometheus.Labels{"tree": tree}
	for i, in := range instruments {
		r.descs[i] = prometheus.NewDesc(in.name, in.help, in.labels, constant)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, ConstLabels: constant, Buckets: buckets,
			// Without a MinResetDuration the client never resets the histogram to save
			// buckets, which would reset the classic buckets, too.
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, []string{"supervisor"})
	}
	r.start, r.stop = histogram(startDuration, startDurationHelp), histogram(stopDuration, stopDurationHelp)
	return r
}

func (r *registrar) describe(ch chan<- *prometheus.Desc) {
	for _, d := range r.descs {
		ch <- d
	}
	r.start.Describe(ch)
	r.stop.Describe(ch)
}

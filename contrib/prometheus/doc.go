// Package coppiceprom exports the state of a supervision tree as Prometheus metrics:
//
//	root := supervisor.New(supervisor.Spec{Name: "shop", Children: children})
//	prometheus.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}))
//	http.Handle("/metrics", promhttp.Handler())
//
// The name of the package leaves the name prometheus to the package of the client library,
// which the same file usually imports.
//
// # What is exported
//
// docs/metrics.md of the repository lists the metrics, their labels and their OpenTelemetry
// names. The metrics of a child have the label path:
//
//	coppice_child_ready                            1 if Health counts it as ready, 0 if not
//	coppice_child_state                            1 for its state, 0 for each other state
//	coppice_child_restarts_total                   automatic restarts
//	coppice_child_failures_total                   failures, by error_type: "panic" or "error"
//	coppice_child_last_failure_timestamp_seconds   when it failed last
//	coppice_heartbeats_missed_total                runs that missed their heartbeat
//	coppice_runs_abandoned                         abandoned runs that have not returned
//
// The metrics of a supervisor have the label supervisor:
//
//	coppice_children                       children in each state
//	coppice_children_in_trouble            children in trouble
//	coppice_child_start_duration_seconds   histogram of the starts of its children
//	coppice_child_stop_duration_seconds    histogram of their stops
//	coppice_supervisor_gave_up_total       how often it gave up
//	coppice_supervisor_degraded            1 if too many of its dynamic children are in trouble
//	coppice_supervisor_suspended           1 if Suspend was called
//	coppice_restart_budget_used_ratio      restarts that count towards its Intensity, of the limit
//
// The metrics of a gate (package child/gate) have the label gate, which is its name. A gate has
// series if its child has:
//
//	coppice_gate_leading                            1 while it is open, 0 while it stands by
//	coppice_gate_transitions_total                  how often it opened
//	coppice_gate_renew_failures_total               renewals of its lease that failed
//	coppice_gate_lease_deadline_timestamp_seconds   when its lease ends if it is not renewed
//
// The metric of a periodic job (package child/periodic) has the label path. A job has it if its
// child has series:
//
//	coppice_periodic_last_success_timestamp_seconds   when it succeeded last; 0 before it has
//
// The metrics of the whole tree:
//
//	coppice_tree_ready                     1 if Health returns nil
//	coppice_tree_draining                  1 while the root waits for Spec.Drain
//	coppice_tree_state                     1 for the state of the root, 0 for each other state
//	coppice_events_lost_total              events missing in counters and histograms
//	coppice_series_omitted                 series that did not fit into MaxSeries
//
// All of them have the label tree, which is the name of the root. Several trees can be in one
// registry if their roots have different names.
//
// # Which children have series of their own
//
// Children that are declared in a supervisor.Spec have series of their own, unless they, or
// a supervisor above them, run under an Independent supervisor. All others, such as those
// added with StartChild, are counted together under the nearest supervisor that has series;
// their events are counted with the path SUPERVISOR/*, such as /shop/conns/*. So the number
// of series does not depend on the number of connections or jobs. Spec.SeriesFor asks for
// more, and Spec.MaxSeries limits them.
//
// # Counters
//
// Counters and histograms count from the call of New, so call it before the tree starts. They
// survive restarts of supervisors and of the root, and the removal of children. An event is
// counted shortly after it has happened; when Serve, Stop or Wait returns, all have been,
// within the limit of supervisor.Subscribe. If more than a thousand events wait to be
// counted, the oldest are lost, and coppice_events_lost_total says how many. Counters of
// gates count from gate.New.
//
// # Cost
//
// A scrape takes one snapshot of the tree (supervisor.Tree); two scrapes at once take one
// after the other. While it copies the children of a supervisor, that supervisor waits, for
// milliseconds if it has a hundred thousand. Nothing else waits for a scrape, however slow
// its receiver is. The Collector has no goroutine of its own.
//
// The histograms have classic buckets and are native histograms, too. A Prometheus that
// ingests native histograms drops the classic buckets, unless its configuration keeps them.
//
// # Alerts and dashboard
//
// The folder has alert rules (alerts.yaml) and a Grafana dashboard (dashboard.json) for these
// metrics.
package coppiceprom

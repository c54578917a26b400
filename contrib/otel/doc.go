// Package coppiceotel reports supervision trees to OpenTelemetry: as metrics, as spans of
// starts and stops, and as log records of events.
//
//	tel := coppiceotel.New(coppiceotel.Spec{})
//	root := supervisor.New(supervisor.Spec{
//		Name:     "shop",
//		Around:   tel.Around, // only for spans that children begin while they start
//		Children: []child.Spec{{Name: "db", Run: db.Run}, {Name: "api", Run: api.Run}},
//	})
//	defer tel.Watch(root)() // before Serve
//	err := root.Serve(ctx)
//
// The zero Spec uses the global providers. Programs that set them later, or never, need no
// other code. The package is named coppiceotel because programs import package otel too.
//
// # Metrics
//
// The instruments are listed in docs/metrics.md, with their names in Prometheus, where
// contrib/prometheus exports the same ones. Gauges are read from the tree at each
// collection; counters and durations come from events. The number of series does not
// depend on the number of children that are added at run time: see Spec.SeriesFor and
// Spec.MaxSeries. The gates of the tree (package child/gate) and its
// periodic jobs (package child/periodic) need no registration.
// Histograms have the buckets of docs/metrics.md. A view of the program can choose others, or
// exponential ones:
//
//	sdkmetric.WithView(sdkmetric.NewView(
//		sdkmetric.Instrument{Name: "coppice.child.*.duration"},
//		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}},
//	))
//
// # Spans
//
// No span is as long as a run.
//
//	coppice.tree.start          from the first start of a child until all declared children are ready; only with Around
//	coppice.child.start         from the call of Run until the child is ready
//	coppice.child.stop          from when the run is asked to stop until it has returned or is abandoned
//	coppice.child.failure       no time: a run that had been ready has failed, or missed its heartbeat
//	coppice.supervisor.stop     the stop of the root, or of a supervisor that ends by itself
//	coppice.supervisor.gave_up  no time: a supervisor gave up
//	coppice.request             no time: an operator requested something: see supervisor.WithRequest
//
// What takes place within something else is below it: the starts of a nested supervisor
// below the start of the child in which it runs, the stops of children below that of their
// supervisor. Everything else begins a trace of its own, with links: a stop and a failure
// link to the start of their run; a start or a stop links to what led to it, such as the
// failure, also of a sibling, or the request of an operator. Links reach back over the
// latest 4,096 events that have a span.
//
// A failed start, a failure and a stop that went wrong have the status Error and an
// exception event, which has the stack of a panic or of an abandoned run. An error that
// only says that the run was stopped is not one: see supervisor.StopError. Attributes are
// coppice.tree, coppice.child.path or coppice.supervisor.path, coppice.run (the number of
// the run), coppice.child.restarts, coppice.reason (as supervisor.Reason), coppice.by (the
// operator, or the child whose failure is the reason), coppice.cause of a stop, and
// error.type (panic or error).
//
// There are two spans for each run, also for each of many dynamic children. Choose with a
// sampler, which sees the attributes coppice.child.path and coppice.run. Which spans a
// child's own spans are below is described at Around.
//
// # Log records
//
// Each event from Spec.MinSeverity on is a record at the severity that the table of
// supervisor.Spec.Logger has. Two things differ from the log: an EventRestarting with a
// delay is info, since the record of the failure does not have the delay, and EventStatus is
// debug. The event name is coppice and the kind, such as coppice.late_exit; the body is the
// line of Event.String. Attributes are those of the spans, coppice.seq and
// coppice.because (the number of the event, and of the one that led to it), error.type,
// exception.type, exception.message and exception.stacktrace, and what the log line has:
// coppice.delay, coppice.down, coppice.took and coppice.after in seconds, coppice.next,
// coppice.children, coppice.abandoned, coppice.unclean, coppice.text, coppice.lost.
//
// # Limits
//
// A text of the program, such as an error, is one line without control characters, cut to
// 1 KB; a stack is cut to 8 KB. Watch says what happens when an exporter blocks.
package coppiceotel

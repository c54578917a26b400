// Package probe answers the liveness, readiness and startup probes of Kubernetes, and the
// health checks of load balancers, for a supervision tree. It uses only the standard
// library.
//
//	probes := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
//		return &http.Server{Addr: ":8081", Handler: probe.New(probe.Spec{Optional: []string{"debug"}})}, nil
//	}})
//	root := supervisor.New(supervisor.Spec{
//		Name:  "shop",
//		Drain: 5 * time.Second,
//		Children: []child.Spec{
//			{Name: "probes", Run: probes.Run},
//			{Name: "db", Run: db.Run},
//			{Name: "api", Run: api.Run},
//		},
//	})
//
// Declare the child that serves the probes first, directly below the root. Then it answers
// while the other children start, and it stops after them. Under strategy.OneForAll each
// failure of another child restarts it; put those children into a nested supervisor.
//
// # The three questions
//
//	path       fails (503) while                                    what Kubernetes does
//	/livez     the root has given up or has ended                   restarts the container
//	/readyz    Health reports a child that is not in Optional,      sends no requests to the pod
//	           the tree drains, stops or does not run
//	/startupz  the tree has never been ready                        waits with the other two
//
// Liveness asks whether a restart of the process would help. It never depends on Health: if
// it did, a database that is away would restart every pod that uses it, all at the same
// time, and they would all come back without the database. It does not fail before the
// start, nor while the tree starts, drains or stops in order. It fails as soon as the root
// gives up, so a child that does not return cannot keep alive a process that has decided
// to end.
//
// Readiness is supervisor.Health without the optional children. It also fails for the
// whole of Spec.Drain, during which the tree serves on.
//
// Startup latches: once the tree was up, or ready without the optional children, it never
// fails again for that root, whatever follows.
//
// # Answers
//
// An answer is text. Its first line is "live", "ready" or "started", or one of these after
// "not ". If the probe fails, a line for each reason follows:
//
//	not ready
//	/shop/db: not ready: connection refused
//
// With ?verbose there are also lines for what does not count, such as an optional child, or
// a child that is not ready in the answer of /livez. There are at most 50 lines of 300 bytes,
// however many children fail. Control and format characters are escaped.
//
// The lines show paths and error texts to everyone who can reach the port. Do not expose it
// outside of the cluster.
//
// # Kubernetes
//
//	startupProbe:
//	  httpGet: {path: /startupz, port: 8081}
//	  periodSeconds: 1
//	  failureThreshold: 300      # how many seconds a start may take
//	readinessProbe:
//	  httpGet: {path: /readyz, port: 8081}
//	  periodSeconds: 2
//	livenessProbe:
//	  httpGet: {path: /livez, port: 8081}
//	  periodSeconds: 10
//	terminationGracePeriodSeconds: 35  # more than Drain + StopTimeout
//
// Give the root a Drain that is longer than it takes Kubernetes to send requests elsewhere,
// usually 5 s, and no preStop hook is needed. docs/operating.md has the whole manifest.
package probe

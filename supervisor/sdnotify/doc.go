// Package sdnotify tells systemd what a supervision tree does, and takes the sockets that
// systemd has opened for the process. It uses only the standard library. Without systemd
// it does nothing.
//
//	root := supervisor.New(spec)
//	defer sdnotify.Watch(root)() // before Serve
//	if err := root.Serve(ctx); err != nil {
//		log.Fatal(err)
//	}
//
// # What is sent
//
//	READY=1                 every declared child has been ready, so the root is up
//	STATUS=…                at most every 5 s, if it has changed: how many children are in
//	                        which state, up to 3 that are not ready and why, and up to 3
//	                        texts of ctx.Status; one line of at most 1000 bytes
//	EXTEND_TIMEOUT_USEC=…   30 s, every 10 s, while the root starts, drains or stops
//	WATCHDOG=1              every half of WatchdogSec
//	RELOADING=1, READY=1    around each Apply, and around a reload: see Reloading
//	STOPPING=1              the drain begins, or without a drain the stop; also if the root
//	                        gives up
//
// The extensions are capped. A start is extended for 10 minutes, the drain for Spec.Drain,
// the stop for Spec.StopTimeout, or for 10 minutes if that is not set. After that,
// TimeoutStartSec and TimeoutStopSec apply, at the latest 30 s later.
//
// # The watchdog
//
// WATCHDOG=1 is sent unless a restart of the process would help. That is the case if
//
//   - the root has given up or has ended, which is what /livez of package probe reports, or
//   - a child with a Heartbeat has missed it, was restarted for that, and has missed it
//     again, without having been well in between for a minute and for two periods of its
//     heartbeat, or
//   - a child has missed its heartbeat, does not return for a minute, and its stop has no
//     limit (child.Forever), so that it cannot be restarted.
//
// It never depends on Health: a database that is away does not restart the process. It is
// also not sent while the process stands still, or if the supervisor does not answer. When
// it is no longer sent, the log has a warning and STATUS the reason.
//
// # The unit
//
//	[Service]
//	Type=notify
//	ExecStart=/usr/local/bin/shop
//	WatchdogSec=30
//	Restart=on-failure
//	TimeoutStartSec=90
//	TimeoutStopSec=35
//
// NotifyAccess=main is the default of Type=notify, and is what is needed. TimeoutStopSec
// should be more than Drain and StopTimeout together, and a few seconds for the rest of
// main. A program that reloads on SIGHUP can use Type=notify-reload (systemd 253 and later)
// and Reloading; a Go program that does not handle SIGHUP is killed by it. When the watchdog
// expires, systemd sends SIGABRT, on which a Go program writes the stacks of all goroutines
// and exits.
//
// Do not set FileDescriptorStoreMax: nothing is stored there. KillMode=mixed is best if the
// program starts processes: then only the program itself receives SIGTERM, and stops them
// in order.
//
// # The environment
//
// NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES are
// removed from the environment once they are read, so that processes that this one starts
// do not take them for theirs. Path sockets and abstract sockets (with @) are supported.
package sdnotify

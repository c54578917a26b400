// Package process runs a program of the operating system as a child of a supervisor: it
// starts the program, reports ready when the program is, writes its output to the log,
// and stops it with all processes that it has started. It only uses the standard library.
//
//	redis := process.New(process.Spec{
//		Command: func(ctx child.Context) (*exec.Cmd, error) {
//			return exec.Command("redis-server", "--port", "7777"), nil
//		},
//		Ready: process.Ready{Line: "Ready to accept connections"},
//	})
//	root := supervisor.New(supervisor.Spec{
//		Backoff:  child.Exponential(100*time.Millisecond, 30*time.Second),
//		Children: []child.Spec{{Name: "redis", Run: redis.Run, StartTimeout: 5 * time.Second, StopTimeout: 10 * time.Second}},
//	})
//
// The phases of a run, and of its stop:
//
//	make the command, start it   an error is a failed start. The program leads a process
//	                             group of its own.
//	wait until it is ready       see Ready; it takes at most the StartTimeout of the child
//	Ready                        Current has the program
//	run                          its output goes to the log, line by line; Status.Text has its
//	                             pid, its name and what it uses
//	it ends                      status 0 is a normal end, anything else is an *ExitError
//	asked to stop                the group receives Spec.Signal, SIGTERM by default
//	ctx.Grace ends               after nine tenths of the stop timeout: the group receives
//	                             SIGKILL
//	clean up                     whenever the program has ended, the rest of its group
//	                             receives SIGKILL, and Run returns
//
// # The group
//
// The program and all processes that it starts are one process group, unless one of them
// leaves it, with setsid for example. Signals are sent to all of the group. When the
// program ends, the others are killed without a warning, so that none of them keeps a port
// or a file that the next run needs. A program that wants its children to end in peace must
// wait for them.
//
// The exit of the program is first noticed without reaping it. While it is a zombie, its
// number cannot belong to another process, so no signal can reach a stranger. Killed
// processes of the group that were not its direct children are reaped by process 1. If this
// process is process 1 of a container, they stay as zombies: give the container an init,
// such as tini, or docker run --init.
//
// The program itself is signalled and killed also after it has left its group. Another process
// that has left the group, such as a daemon, is out of reach. It does not hold up the run, even
// if it keeps the output of the program open: its output is read for up to a second after the
// end of the program.
//
// # If this process dies
//
// If this process ends without stopping its children, for example by SIGKILL or a crash,
// the program and its group are killed, in two ways:
//
//   - On Linux and FreeBSD the kernel kills the program, but not the processes that it
//     has started. On Linux this is bound to the thread that has started the program, so
//     each run locks one thread until its program has ended. The Go runtime permits 10,000
//     threads: see debug.SetMaxThreads. To have another signal sent, set Pdeathsig in the
//     SysProcAttr of the command.
//   - A guard kills the whole group: a /bin/sh, which is part of the group and waits until
//     this process is gone. There is none if /bin/sh does not exist, if Spec.NoGuard is
//     set, or if the SysProcAttr of the command sets Setsid.
//
// # Costs
//
// A run takes four goroutines, one thread, and a descriptor for each of stdout and stderr and,
// on Linux, for the program. Ready.Notify takes one more. The guard is one more process, and
// two more descriptors.
//
// # Systems
//
// Linux is where this package is tested. On macOS and the BSDs it does the same, but
// Status.Text does not say what the program uses, and if this process dies only the guard
// helps (on FreeBSD the kernel too). On Windows and all other systems there are no groups
// and no signals: the program is killed at once when it is asked to stop, the processes that
// it has started go on, there is no guard, and Ready.Notify is an error.
//
// # What this process must not do
//
// It must not reap children that it does not know, by a wait for any child, and must not
// ignore SIGCHLD. Otherwise the exit status of the program is lost: the run fails, and the
// rest of its group is not killed.
package process

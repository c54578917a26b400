// Package blackbox records on disk what happens in a supervision tree, so that it can be
// read after the process was killed. It only uses the standard library.
//
//	root := supervisor.New(spec)
//	defer blackbox.Watch(root, blackbox.Spec{Dir: "/var/crash/shop"})()
//	if err := root.Serve(ctx); err != nil {
//		log.Fatal(err)
//	}
//
// Every event is appended to a file at once. A SIGKILL, the kernel when memory is short,
// or a crash loses the events of the last milliseconds at most. The next Watch of the same
// directory finds that the last life, which is what one process has recorded, did not end
// well. It logs a warning with the last events, and Last returns it. Print shows a
// recording to a person, as does the command
//
//	coppice blackbox /var/crash/shop
//
// # Dumps
//
// When a supervisor gives up, a child misses its heartbeat, or a run is abandoned, the
// black box also writes a dump, a directory with
//
//	why.txt       the event, the stack that it has, the number of goroutines, the heap
//	tree.txt      the tree, as Tree.String draws it
//	stacks.txt    the stacks of all goroutines with their pprof labels, like ones together
//	leaks.txt     goroutines that can never continue, if this version of Go finds them
//	tree.json     the tree as JSON
//	flight.trace  the record of Spec.Flight, for go tool trace
//
// A dump shows the tree and the process shortly after the event: a supervisor that gave up
// may have ended by then. To see which goroutines belong to which child, let Spec.Around
// of the supervisor set labels. There is at most one dump a minute for each of the three
// kinds of event, and at most four are kept: the first and the latest three. A file that
// does not fit into a dump is cut if it is text, and otherwise left out; one of more than
// 100,000 goroutines has no stacks. A run with a StopTimeout of child.AtOnce is abandoned
// on purpose and has no dump.
//
// # Files
//
// Each life has a directory, named by its start and its process ID. Files have mode 0600
// and directories 0700.
//
//	/var/crash/shop/20261101T101500.123456Z-4711/
//	    events-000001.jsonl      events, an object in each line
//	    events-000002.jsonl
//	    dump-0001-gave-up/
//	    crash.txt                what the runtime wrote in a crash, with Spec.Crash
//	    build.txt                the build info of the program
//	    lock                     locked while the process lives
//	    reported                 a later life has reported this one
//
// A line with an "n" is an event: its fields are those of the JSON of supervisor.Event,
// with err cut at 4 KiB and a stack at 16 KiB. A stack is not repeated for events of the
// same kind, path and error in about the same file. Of status texts (ctx.Status) a thousand
// are recorded, and then one every 5 s, of all children together; of the others only what a
// child said last before its next event. So they displace nothing else. "n" counts the events
// since Watch, without the texts that are left out. So a hole in the numbers says how many
// events are missing: dropped because the disk was too slow or full, or damaged. The other
// lines have "begin", the first line of a file, "dump", "trouble" for a time in which nothing
// could be written, or "end". Version 1 of the format may get more fields, but none will
// change or be removed. Programs must skip lines that they do not know, or that are torn.
//
// The lock tells lives that are running from those that were killed, so processes may
// share a directory. It is one of the kernel: the directory must be on a local disk. On a
// system that is neither Windows, macOS, Linux nor a BSD there is none, and lives that run
// look as if they were killed.
//
// Other users who can write to the directory can remove recordings. They cannot redirect
// what is written or removed by symbolic links.
//
// # Never in the way
//
// Supervision waits for the black box only in one place: the end of the root waits for its
// last events to be written, for 0.9 s at most. Everything else happens on goroutines of
// the black box. Two MiB of events wait for a slow disk; what exceeds that is dropped and
// counted. If nothing can be written, because the disk is full, the directory cannot be
// made or nobody may write to it, that is one warning, and no other within an hour. The
// black box tries again after one second, then after two, four and so on up to thirty, and
// continues where it was. If somebody removes the directory, it is made again.
//
// A restart costs what a subscriber costs that does nothing; writing an event takes about
// a microsecond of another processor.
//
// An error whose Error method never returns ends the recording, but not supervision.
//
// # What a power cut leaves
//
// Killing a process loses nothing that it has written, but a power cut loses what the disk
// does not have yet. The black box syncs after each event that reports trouble (failed,
// error, hung, abandoned, gave-up), once a second at most; when a file is full; after a
// dump; and at the end of the tree and of the recording. Other events reach the disk when
// the kernel writes them, on Linux usually within half a minute.
//
// # Personal data
//
// A recording has what errors and status texts say, and the stacks have values of pointers
// and small arguments. It has neither the environment nor the command line nor the heap.
package blackbox

package blackbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Files of a dump.
const (
	whyName      = "why.txt"
	treeName     = "tree.txt"
	stacksName   = "stacks.txt"
	leaksName    = "leaks.txt"
	treeJSONName = "tree.json"
	flightName   = "flight.trace"
)

const (
	maxDumps      = 4           // of a life
	dumpEvery     = time.Minute // least time between two dumps because of the same kind of event
	maxGoroutines = 100_000     // above that no stacks are dumped
)

// dumps are the dumps of a life. A dump shows the tree and the process shortly after an
// event that reports trouble. A thousand children that hang at once have one dump.
type dumps struct {
	r    *recorder
	size int64 // most bytes of one dump
	wake chan struct{}

	mu    sync.Mutex
	kinds [supervisor.EventOver + 1]dumpsOfKind

	// The rest belongs to the keeper.
	no   int
	kept []string
}

type dumpsOfKind struct {
	at      time.Time // of the latest one
	skipped uint64    // events since then that had none
	wanted  *wanted   // the next one, if it is due
}

// wanted is a dump that is due.
type wanted struct {
	event   supervisor.Event
	n       uint64 // number of the event
	skipped uint64
}

// see asks for a dump if the event calls for one.
func (d *dumps) see(e *supervisor.Event, n uint64) {
	switch e.Kind {
	case supervisor.EventGaveUp, supervisor.EventHung:
	case supervisor.EventAbandoned:
		if d.intended(e) {
			return
		}
	default:
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	of := &d.kinds[e.Kind]
	if now := time.Now(); !of.at.IsZero() && now.Sub(of.at) < dumpEvery {
		of.skipped++
		return
	} else {
		of.at = now
	}
	of.wanted = &wanted{*e, n, of.skipped}
	of.skipped = 0
	poke(d.wake)
}

// intended reports whether a run was abandoned because its StopTimeout is child.AtOnce.
// Such a run has no stack.
func (d *dumps) intended(e *supervisor.Event) bool {
	if len(e.Stack) > 0 {
		return false
	}
	spec, ok := d.r.root.LookupSpec(e.Path)
	return !ok || spec.StopTimeout == child.AtOnce
}

// work writes the dumps that are due.
func (d *dumps) work() {
	for kind := range d.kinds {
		d.mu.Lock()
		due := d.kinds[kind].wanted
		d.kinds[kind].wanted = nil
		d.mu.Unlock()
		if due != nil {
			d.take(due)
		}
	}
}

// take writes a dump.
func (d *dumps) take(due *wanted) {
	e := &due.event
	d.no++
	name := fmt.Sprintf("dump-%04d-%s", d.no, e.Kind)
	note := dumped{
		Dump: name, Kind: e.Kind.String(), Path: cut(e.Path, maxPath), N: due.n, Skipped: due.skipped,
	}
	if err := d.fill(name, due); err != nil {
		note.Problem = cut(textOf(err), maxErr)
	}
	note.Time = time.Now()
	d.r.note(note)
}

// fill writes the files of a dump. It returns what is missing, and why.
func (d *dumps) fill(name string, due *wanted) error {
	life := d.r.store.opendir()
	if life == nil {
		return errors.New("the directory of the recording is not open")
	}
	d.makeRoom(life)
	if err := life.Mkdir(name, 0o700); err != nil {
		return err
	}
	d.kept = append(d.kept, name)
	dir, err := life.OpenRoot(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	files := dumpFiles{dir: dir, left: d.size}
	tree := d.r.root.Tree()
	files.text(whyName, func(w io.Writer) error { return d.why(w, due) })
	files.text(treeName, func(w io.Writer) error { _, err := io.WriteString(w, tree.String()); return err })
	files.text(stacksName, writeStacks)
	if leaks := pprof.Lookup("goroutineleak"); leaks != nil {
		files.text(leaksName, func(w io.Writer) error { return leaks.WriteTo(w, 1) })
	}
	files.whole(treeJSONName, func(w io.Writer) error {
		text, err := json.Marshal(tree)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if flight := d.r.spec.Flight; flight != nil {
		files.whole(flightName, func(w io.Writer) error { _, err := flight.WriteTo(w); return err })
	}
	syncDir(dir)
	syncDir(life)
	return errors.Join(files.problems...)
}

// makeRoom removes a dump if there are too many: the oldest but the first, which shows how
// the trouble began.
func (d *dumps) makeRoom(life *os.Root) {
	if len(d.kept) < maxDumps {
		return
	}
	if life.RemoveAll(d.kept[1]) == nil {
		d.kept = append(d.kept[:1], d.kept[2:]...)
	}
}

// why writes the event that led to the dump, and what the process is.
func (d *dumps) why(w io.Writer, due *wanted) error {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	program, _ := programOf()
	e := &due.event
	_, err := fmt.Fprintf(w, "%s\n\nevent       %d, at %s\nskipped     %d of this kind since the last dump\nprogram     %s, %s, pid %d\ngoroutines  %d\nheap        %d bytes in %d objects\n",
		cut(e.String(), maxErr+maxPath), due.n, e.Time.Format(time.RFC3339Nano), due.skipped,
		program, runtime.Version(), os.Getpid(), runtime.NumGoroutine(), mem.HeapAlloc, mem.HeapObjects)
	if err == nil && len(e.Stack) > 0 {
		_, err = fmt.Fprintf(w, "\n%s\n", e.Stack)
	}
	return err
}

// writeStacks writes the stacks of all goroutines, like stacks together, with labels. It
// does not stop the world for long, but needs some memory for each goroutine.
func writeStacks(w io.Writer) error {
	if n := runtime.NumGoroutine(); n > maxGoroutines {
		return fmt.Errorf("%d goroutines: too many, their stacks would take too long", n)
	}
	return pprof.Lookup("goroutine").WriteTo(w, 1)
}

// dumpFiles writes the files of one dump.
type dumpFiles struct {
	dir      *os.Root
	left     int64 // bytes that the files may still take
	problems []error
}

// text writes a file that is cut if it is too long: at half of what is left, so that each
// has some room.
func (f *dumpFiles) text(name string, write func(io.Writer) error) {
	f.file(name, f.left/2, true, write)
}

// whole writes a file that is of no use unless it is complete.
func (f *dumpFiles) whole(name string, write func(io.Writer) error) {
	f.file(name, f.left, false, write)
}

func (f *dumpFiles) file(name string, limit int64, partly bool, write func(io.Writer) error) {
	out, err := f.dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		f.problems = append(f.problems, err)
		return
	}
	limited := &limitedWriter{w: out, left: limit}
	err = write(limited)
	switch {
	case limited.cut && partly:
		err = fmt.Errorf("cut at %d bytes", limit)
	case limited.cut:
		err = fmt.Errorf("has more than %d bytes", limit)
	case limited.err != nil:
		err = limited.err
	}
	if sync := out.Sync(); err == nil {
		err = sync
	}
	if close := out.Close(); err == nil {
		err = close
	}
	if err != nil {
		f.problems = append(f.problems, fmt.Errorf("%s: %w", name, err))
	}
	if err != nil && !(partly && limited.cut) {
		_ = f.dir.Remove(name) // a full disk needs the room for events
		return
	}
	f.left -= limit - limited.left
}

// A limitedWriter writes up to a limit, and then nothing.
type limitedWriter struct {
	w    io.Writer
	left int64
	cut  bool
	err  error
}

var errTooLong = errors.New("too long")

func (l *limitedWriter) Write(b []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	part := b[:min(int64(len(b)), l.left)]
	n, err := l.w.Write(part)
	l.left -= int64(n)
	if err == nil && len(part) < len(b) {
		l.cut, err = true, errTooLong
	}
	l.err = err
	return n, err
}

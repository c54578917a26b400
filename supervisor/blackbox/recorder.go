package blackbox

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// A recorder is one black box. It has three goroutines: that of its subscription turns
// events into lines, the writer writes them, and the keeper does what may take longer:
// dumps, syncing, logging. None waits for a later one, except at the end of the tree and
// in stop, for a bounded time. So a slow disk costs events and nothing else.
type recorder struct {
	root  *supervisor.Supervisor
	path  string // of root
	spec  Spec
	store *store
	dumps dumps
	last  atomic.Pointer[Life]

	unsubscribe func()

	mu      sync.Mutex
	lines   []byte // to be written
	n       uint64 // number of the last event
	stacks  stackSet
	texts   statusTexts
	trouble bool // an event in lines reports trouble
	end     ending

	wake    chan struct{}      // there are lines
	flushes chan chan struct{} // closed when everything is written and synced
	quit    chan struct{}      // closed when the writer must end
	written chan struct{}      // closed when it has

	tasks   chan func() // of the keeper
	syncs   chan struct{}
	opened  chan struct{}      // closed when earlier lives have been reported
	settles chan chan struct{} // closed when the keeper has nothing to do
	stopped chan struct{}      // closed when the keeper must end
	kept    chan struct{}      // closed when it has
}

const (
	// maxLines is how many bytes of lines wait for the writer at most: some ten thousand
	// events. It must fit into a file.
	maxLines = 2 << 20

	// overWait is how long the end of the root is held up until it is written. The
	// supervisor waits for its subscribers for one second.
	overWait = 900 * time.Millisecond

	// stopWait is how long the function that Watch returns waits, and endWait how much of
	// that is left for the last lines.
	stopWait = 5 * time.Second
	endWait  = time.Second

	// noteRoom is room for the first line of a file and a note.
	noteRoom = 32 << 10
)

func newRecorder(root *supervisor.Supervisor, spec Spec) *recorder {
	r := &recorder{
		root: root, path: root.Path(), spec: spec,
		wake: make(chan struct{}, 1), flushes: make(chan chan struct{}),
		quit: make(chan struct{}), written: make(chan struct{}),
		tasks: make(chan func(), 64), syncs: make(chan struct{}, 1), opened: make(chan struct{}),
		settles: make(chan chan struct{}), stopped: make(chan struct{}), kept: make(chan struct{}),
	}
	half := spec.MaxSize / 2
	size := min(half/leastFiles, maxFile)
	r.store = &store{
		top: spec.Dir, began: time.Now(), fileSize: size, files: int(min(half/size, 1<<20)),
		header: r.header, opened: r.prepare, retire: r.retire, write: (*os.File).Write,
	}
	r.dumps = dumps{r: r, size: half / maxDumps, wake: make(chan struct{}, 1)}
	return r
}

// start subscribes, starts the goroutines and waits for the last life. The subscriber is
// r.record; a test may do more.
func (r *recorder) start(subscriber func(supervisor.Event)) {
	watched.Store(r.root, r)
	r.unsubscribe = r.root.Subscribe(subscriber)
	go r.keep()
	go r.write()
	wait := time.NewTimer(openWait)
	defer wait.Stop()
	select {
	case <-r.opened:
	case <-wait.C:
	}
}

// header returns the first line of a file.
func (r *recorder) header(life string, file int) []byte {
	program, _ := programOf()
	return appendNote(nil, begin{
		Version: 1, Life: life, File: file, Began: r.store.began,
		Root: cut(r.path, maxPath), PID: os.Getpid(), Program: cut(program, maxText), Go: runtime.Version(),
	})
}

// programOf returns the main package and its version, and all that is known of the build.
func programOf() (short, full string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	short = info.Path
	if v := info.Main.Version; v != "" {
		short += " " + v
	}
	return short, info.String()
}

// record records an event. It runs on the goroutine of the subscription.
func (r *recorder) record(e supervisor.Event) {
	n := r.add(&e, textOf(e.Err))
	r.dumps.see(&e, n)
	if e.Kind == supervisor.EventOver && e.Path == r.path {
		wait := time.NewTimer(overWait) // Serve waits for this call
		defer wait.Stop()
		ask(r.flushes, r.written, wait)
		ask(r.settles, r.kept, wait)
		ask(r.flushes, r.written, wait) // the notes about dumps
	}
}

// add adds the line of an event, unless it is a status text that is left out.
func (r *recorder) add(e *supervisor.Event, err string) (n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n += e.Lost
	if !r.texts.admits(e) {
		return r.n
	}
	if text, waits := r.texts.before(e); waits {
		r.append(&text, "")
	}
	return r.append(e, err)
}

// append adds the line of an event. r.mu must be held.
func (r *recorder) append(e *supervisor.Event, err string) (n uint64) {
	r.n++
	stack := e.Stack
	if len(stack) > 0 && !r.stacks.add(e, err) {
		stack = nil
	}
	before := len(r.lines)
	r.lines = appendEvent(r.lines, r.n, e, err, stack)
	r.stacks.age(len(r.lines)-before, int(r.store.fileSize))
	r.trouble = r.trouble || reportsTrouble(e.Kind)
	r.added(before)
	return r.n
}

// reportsTrouble reports whether the events of a kind are synced to the disk.
func reportsTrouble(kind supervisor.EventKind) bool {
	switch kind {
	case supervisor.EventFailed, supervisor.EventAbandoned, supervisor.EventHung, supervisor.EventGaveUp, supervisor.EventError:
		return true
	}
	return false
}

// note adds a line that is not an event.
func (r *recorder) note(v any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.lines)
	r.lines = appendNote(r.lines, v)
	r.added(before)
}

// added drops the lines from before on if there are too many now, and wakes the writer.
// r.mu must be held.
func (r *recorder) added(before int) {
	if len(r.lines) > r.maxLines() {
		r.lines = r.lines[:before]
	}
	poke(r.wake)
}

func (r *recorder) maxLines() int { return min(maxLines, int(r.store.fileSize)-noteRoom) }

// take returns the lines to be written. The lines of an earlier call can be used again.
func (r *recorder) take(used []byte) (lines []byte, trouble bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines, trouble = r.lines, r.trouble
	r.lines, r.trouble = used[:0], false
	return lines, trouble
}

// stop ends the recording.
func (r *recorder) stop() {
	watched.CompareAndDelete(r.root, r)
	early, timer := time.NewTimer(stopWait-endWait), time.NewTimer(stopWait)
	defer early.Stop()
	defer timer.Stop()
	end := r.ending(early)
	await(inBackground(r.unsubscribe), early)
	close(r.stopped)
	await(r.kept, early)
	r.mu.Lock()
	end.Time, end.Last = time.Now(), r.n
	r.end = end
	r.mu.Unlock()
	close(r.quit)
	await(r.written, timer)
	await(inBackground(r.finishTasks), timer)
}

// ending returns how the recording ends. If the tree has ended, it waits until all events
// of it have been recorded.
func (r *recorder) ending(timer *time.Timer) ending {
	select {
	case <-r.root.Done():
	default:
		return ending{End: Detached}
	}
	var err error
	waited := inBackground(func() { err = r.root.Wait() }) // if the root is started again just now, it takes long
	if !await(waited, timer) {
		return ending{End: Detached}
	}
	if errors.Is(err, supervisor.ErrNotRunning) { // never started
		err = nil
	}
	return ending{End: Clean, Err: cut(textOf(err), maxErr)}
}

// inBackground calls f on a goroutine of its own. It returns a channel that is closed when
// f has returned.
func inBackground(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

// await waits until a channel is closed or the timer has expired, then and in later calls.
func await(done <-chan struct{}, timer *time.Timer) bool {
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-timer.C:
		timer.Reset(0)
		return false
	}
}

// ask asks a goroutine to close a channel when it has done everything, and waits for that.
func ask(requests chan<- chan struct{}, ended <-chan struct{}, timer *time.Timer) {
	done := make(chan struct{})
	select {
	case requests <- done:
	case <-ended:
		return
	case <-timer.C:
		timer.Reset(0)
		return
	}
	select {
	case <-done:
	case <-ended:
	case <-timer.C:
		timer.Reset(0)
	}
}

// poke wakes a goroutine, or leaves it awake.
func poke(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

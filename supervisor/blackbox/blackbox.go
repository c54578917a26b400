package blackbox

import (
	"log/slog"
	"path/filepath"
	"runtime/trace"
	"sync"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// A Spec declares a black box. Only Dir is required.
type Spec struct {
	// Dir is the directory of the recordings. Watch makes it with mode 0700 if it is
	// missing, also later, when somebody has removed it. It must be on a local disk. The
	// replicas of a program may share one; programs that differ should not.
	Dir string

	// Keep is the number of lives that are kept, this one included. When Watch is called
	// and there are more, it removes first those that ended Clean, then the oldest, so
	// that neither deployments nor a crash loop displace the crash of last week at once.
	// Lives that are Running do not count. Zero means 5; the least is 2.
	Keep int

	// MaxSize is the number of bytes that one life may take. Its events may take half of
	// it; when that is full, the oldest are removed. Its dumps may take the other half.
	// What the runtime writes when the process crashes comes on top. Zero means 64 MiB;
	// the least is 2 MiB.
	MaxSize int64

	// Crash lets the runtime write the text of a crash into the recording, as well as to
	// standard error: see debug.SetCrashOutput. A process has only one such file, so the
	// latest call of SetCrashOutput wins. GOTRACEBACK decides how much is written. When
	// the function that Watch returned is called after the tree has ended, the file is
	// detached.
	Crash bool

	// Flight, if set, is a flight recorder that the caller has started. Each dump has
	// its record, for go tool trace, if it fits. A process can have only one, so the
	// black box does not start one by itself.
	Flight *trace.FlightRecorder

	// Logger receives the report about the last life, and a warning if nothing can be
	// written. Nil means that of the supervisor's spec, or else slog.Default().
	Logger *slog.Logger
}

const (
	defaultKeep    = 5
	defaultMaxSize = 64 << 20
	minSize        = 2 * leastFiles * minFile
)

// openWait is how long Watch waits for the directory to be opened and the last life to be
// read.
const openWait = time.Second

// Watch records the events of a supervisor, usually the root of a tree, and of all below
// it, from now on and over all its starts. Call it before the first start. It returns when
// it has read what the last life left, after one second at most: if the disk takes longer,
// it continues in the background.
//
// If the last life did not end well, Watch logs a warning with its last events. Last
// returns it.
//
// The returned function ends the recording. Call it when the supervisor has ended: it
// writes down that the life ended Clean. If it is called while the supervisor is running,
// the life ends Detached. Events of a running supervisor that have not been recorded by
// then are lost. It waits until everything is written and synced to the disk, for five
// seconds at most; if the disk takes longer, goroutines of the black box remain until it
// answers. Calling it again has no effect.
//
// A supervisor that ended is in the recording before its Serve, Stop or Wait returns, so a
// program that exits without calling the function, as by log.Fatal, has ended Clean too.
//
// Watch never fails, since a program should run without a black box rather than not at
// all. Whatever is wrong, such as a Spec without a Dir, is a warning in the log.
func Watch(root *supervisor.Supervisor, spec Spec) (stop func()) {
	log := spec.Logger
	if log == nil {
		log = root.Spec().Logger
	}
	if log == nil {
		log = slog.Default()
	}
	if spec.Dir == "" {
		log.Warn("coppice: black box: nothing is recorded: set Spec.Dir", "path", root.Path())
		return func() {}
	}
	if abs, err := filepath.Abs(spec.Dir); err == nil {
		spec.Dir = abs // the working directory may change
	}
	if spec.Keep <= 0 {
		spec.Keep = defaultKeep
	}
	spec.Keep = max(spec.Keep, 2) // or the last life would be removed as soon as it is reported
	if spec.MaxSize <= 0 {
		spec.MaxSize = defaultMaxSize
	}
	spec.MaxSize = max(spec.MaxSize, minSize)
	spec.Logger = log

	r := newRecorder(root, spec)
	r.start(r.record)
	return sync.OnceFunc(r.stop)
}

// watched has the recorder that was attached last to each supervisor.
var watched sync.Map // *supervisor.Supervisor to *recorder

// Last returns the newest life that had ended when Watch was called for the supervisor. It
// reports false if there was none, if Watch has not read it yet, or if the function that
// Watch returned was called.
func Last(root *supervisor.Supervisor) (Life, bool) {
	r, ok := watched.Load(root)
	if !ok {
		return Life{}, false
	}
	last := r.(*recorder).last.Load()
	if last == nil {
		return Life{}, false
	}
	return *last, true
}

package child

import (
	"errors"

	"github.com/coppice-go/coppice/internal/errs"
)

// Errors that Run or Decide may return, bare or wrapped, to be more specific than
// "failed". If an error wraps several of them, the outermost decides. Those inside
// the error of a supervisor that runs in the child do not count.
var (
	// ErrIgnore, returned before Ready, declines to run: the child is Stopped and
	// keeps its spec, and the start of its siblings continues. A Temporary child is
	// removed, unless RestartChild started it; any child of an Independent supervisor
	// is removed. After Ready, ErrIgnore is a failure. It corresponds to OTP's ignore.
	ErrIgnore = errors.New("declined to run")

	// ErrShutdown is an end after which a Transient child is not restarted. A
	// Permanent child is. It corresponds to OTP's exit reason shutdown.
	ErrShutdown = errors.New("shut down")

	// ErrDone ends the child for good, whatever its Restart: it becomes Done, and a
	// Temporary child is removed. Returned before Ready, it is the end of a
	// successful task, and the next child starts.
	ErrDone = errors.New("done")
)

// Escalate returns an error that makes the supervisor give up at once, however many
// restarts it has left, because err concerns more than this child. The error wraps
// err.
//
// Use it instead of log.Fatal and os.Exit, which end the process without stopping the
// other children. The supervisor stops its children in order. At the root, Serve then
// returns an error that wraps err. A nested supervisor is restarted by its parent,
// unless it is declared Transient or Temporary.
func Escalate(err error) error { return &errs.Escalation{Err: err} }

// Failures that Run did not return as an error.
var (
	// ErrGoexit is the failure of a run that called runtime.Goexit, as
	// testing.T.FailNow does.
	ErrGoexit = errors.New("runtime.Goexit was called")

	// ErrNotReady is the failure of a run that returned nil before Ready. A child
	// that is not ready yet also gets it from calls that would wait for the child
	// itself.
	ErrNotReady = errors.New("not ready")
)

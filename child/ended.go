package child

import (
	"errors"

	"github.com/coppice-go/coppice/internal/errs"
)

// Errors that Run or Decide may return, bare or wrapped, to say more than
// "failed". Of several in one chain the outermost decides, and those inside the
// error of a supervisor that runs in the child do not count.
var (
	// ErrIgnore, returned before Ready: this child does not want to run. It is
	// Stopped with its spec kept, and the start of the others goes on. A Temporary
	// child is forgotten, unless RestartChild started it; so is any child of an
	// Independent supervisor. After Ready it is a failure. From OTP's ignore.
	ErrIgnore = errors.New("declined to run")

	// ErrShutdown is an end for which a Transient child is not restarted, a
	// Permanent one is. From OTP's exit reason shutdown.
	ErrShutdown = errors.New("shut down")

	// ErrDone wants no restart, whatever the child's Restart: it is Done, and a
	// Temporary child is forgotten. Returned before Ready it is a task that is
	// done, and the next child starts.
	ErrDone = errors.New("done")
)

// Escalate returns an error that makes the supervisor give up at once, however
// many restarts it has left: err concerns more than this child. It wraps err.
//
// Use it in place of log.Fatal and os.Exit, which end the process without stopping the
// other children. At the root, Serve returns an error that wraps err when all have
// stopped in order. A nested supervisor is restarted by its parent, unless its child is
// Transient or Temporary.
func Escalate(err error) error { return &errs.Escalation{Err: err} }

// Failures that are not an error of the child's own.
var (
	// ErrGoexit: Run ended by runtime.Goexit, as testing.T.FailNow does.
	ErrGoexit = errors.New("runtime.Goexit was called")

	// ErrNotReady: Run returned nil before Ready. It is also the error of a
	// child that is not ready yet and asks for something that would wait for it.
	ErrNotReady = errors.New("not ready")
)

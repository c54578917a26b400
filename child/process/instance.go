package process

import (
	"os"
	"time"
)

// An Instance is a program that is running.
type Instance struct {
	PID     int
	Started time.Time

	process *os.Process
}

// Signal sends a signal to the program, not to the others of its group: for example SIGHUP,
// on which many programs read their configuration again. If the program has ended, it
// returns os.ErrProcessDone, and no other process receives the signal.
func (i *Instance) Signal(sig os.Signal) error { return i.process.Signal(sig) }

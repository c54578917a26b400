package process

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// An ExitError says how a program ended that should have gone on, or should have stopped
// in another way.
type ExitError struct {
	Program string // the name of its file, without its arguments
	PID     int
	Code    int       // the exit status; -1 if a signal has ended it
	Signal  os.Signal // the signal that has ended it; nil if none has
	Ready   bool      // it had been ready

	Lived time.Duration // from its start to its end
	Late  time.Duration // if it was killed because it did not stop: how long it had to; otherwise zero

	// Last has the last lines that the program wrote to stderr, or if it wrote nothing
	// there, to stdout. They are escaped. There are at most 20, of at most 1024 bytes each.
	Last []string

	// State has more, such as the processor time and the memory that it took.
	State *os.ProcessState
}

// Error returns one line: the name of the program, how it ended, how long it lived, and the
// last line of Last that is not blank.
func (e *ExitError) Error() string {
	if e == nil {
		return "nil *process.ExitError"
	}
	var text strings.Builder
	text.WriteString(e.Program + ": ")
	switch {
	case e.Late > 0:
		fmt.Fprintf(&text, "did not stop within %v and was killed", e.Late.Round(time.Millisecond))
	case e.Signal != nil:
		fmt.Fprintf(&text, "killed by a signal (%v) after %v", e.Signal, e.Lived.Round(time.Millisecond))
	default:
		fmt.Fprintf(&text, "exit status %d after %v", e.Code, e.Lived.Round(time.Millisecond))
	}
	if !e.Ready && e.Late == 0 {
		text.WriteString(", before it was ready")
	}
	for i := len(e.Last) - 1; i >= 0; i-- {
		if strings.TrimSpace(e.Last[i]) != "" {
			text.WriteString(": " + e.Last[i])
			break
		}
	}
	return text.String()
}

// Unwrap returns context.DeadlineExceeded if the program was killed because it did not
// stop in time, and otherwise nil.
func (e *ExitError) Unwrap() error {
	if e == nil || e.Late == 0 {
		return nil
	}
	return context.DeadlineExceeded
}

// end returns what the end of a program counts as that was not asked to stop.
func (h *host) end(ready bool, out *output) error {
	switch {
	case h.err != nil:
		return h.unnoticed()
	case ready && h.state.Success():
		return nil
	}
	return h.exitError(ready, 0, out)
}

// stopped returns what the end of a program counts as that was asked to stop.
func (h *host) stopped(sig syscall.Signal, ready bool, late time.Duration, out *output) error {
	switch {
	case h.err != nil:
		return h.unnoticed()
	case late == 0 && stoppedBy(h.state, sig), h.state.Success(): // perhaps at the last moment
		return nil
	}
	return h.exitError(ready, late, out)
}

// unnoticed is the error of an end that was not noticed before the program was reaped.
func (h *host) unnoticed() error {
	return fmt.Errorf("process: the group of %s was not killed: %w "+
		"(is SIGCHLD ignored, or does other code wait for any child?)", h.program, h.err)
}

func (h *host) exitError(ready bool, late time.Duration, out *output) error {
	e := &ExitError{
		Program: h.program, PID: h.pid, Code: h.state.ExitCode(), Ready: ready,
		Lived: h.ended.Sub(h.started), Late: late, Last: out.last(), State: h.state,
	}
	if sig, ok := endedBy(h.state); ok {
		e.Signal = sig
	}
	return e
}

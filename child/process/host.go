package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A host is the goroutine that starts a program, waits for it and reaps it, and the thread
// that it is locked to. On Linux the program would be killed if that thread ended.
type host struct {
	program string // the name of its file
	pid     int
	started time.Time
	process *os.Process

	unguarded error // why there is no guard, although there should be

	mu     sync.Mutex
	reaped bool // or about to be: the group must not be signalled any more

	exited chan struct{} // closed when the fields below are set
	ended  time.Time
	state  *os.ProcessState // nil if err is set and nobody knows it
	err    error            // why the end was not noticed before the program was reaped
}

// start starts the program. began is called with its pid before anything else happens.
func start(cmd *exec.Cmd, guarded bool, began func(pid int)) (*host, error) {
	h := &host{program: filepath.Base(cmd.Path), exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		h.process, h.pid, h.started = cmd.Process, cmd.Process.Pid, time.Now()
		began(h.pid)
		var g *guard
		if guarded {
			g, h.unguarded = startGuard(cmd)
		}
		started <- nil
		h.wait(cmd)
		g.end()
		close(h.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return h, nil
}

// wait waits for the end of the program, kills its group, and reaps it.
func (h *host) wait(cmd *exec.Cmd) {
	switch err := awaitExit(h.pid); {
	case err == nil:
		h.ended = time.Now()
		h.killRest()
	default:
		// The program may be reaped at any time from now on, so the group may become that
		// of a stranger.
		h.mu.Lock()
		h.reaped = true
		h.mu.Unlock()
		if !errors.Is(err, errors.ErrUnsupported) {
			h.err = err
		}
	}
	err := cmd.Wait()
	if h.state = cmd.ProcessState; h.state == nil && h.err == nil {
		h.err = err
	}
	if h.ended.IsZero() {
		h.ended = time.Now()
	}
}

// ask asks the program and its group to stop.
func (h *host) ask(sig syscall.Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reaped {
		askAlone(h.process, sig)
		return
	}
	askGroup(h.process, sig)
}

// kill kills the program and its group.
func (h *host) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reaped {
		_ = h.process.Kill()
		return
	}
	killGroup(h.process)
}

// destroy kills the program, if it has not ended, and waits for its end.
func (h *host) destroy() {
	h.kill()
	<-h.exited
}

// killRest kills what is left of the group of a program that has exited and has not been
// reaped. From then on, no signal is sent to the group.
func (h *host) killRest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	killGroup(h.process)
	h.reaped = true
}

// usage returns what the program uses, and false if that is not known.
func (h *host) usage() (usage, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reaped {
		return usage{}, false
	}
	return usageOf(h.pid)
}

func (h *host) instance() *Instance {
	return &Instance{PID: h.pid, Started: h.started, process: h.process}
}

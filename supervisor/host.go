package supervisor

import (
	"runtime"
	"runtime/pprof"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/gopanic"
	"github.com/coppice-go/coppice/internal/machine"
)

// A host is the goroutine of a run. The next run of the child takes it over if the child is
// restarted without a delay, also after a panic. Only Goexit cannot be stopped: it ends the
// goroutine, so the next run gets a new one.
type host struct {
	run *run            // the latest; nil when the goroutine ends as it should
	end machine.Outcome // of that run
}

// A stage is what the host of a run is doing.
type stage uint8

const (
	inRun   stage = iota // Run has not returned
	judging              // its end is being judged
	judged
)

// begin runs a child on a new goroutine. The work after the end of Run is done below it,
// not in a deferred function, so that it fits into the initial stack of a goroutine, also
// if it starts or stops the next child.
func (r *run) begin() {
	go func() {
		h := host{run: r}
		defer h.unwound()
		for h.run != nil {
			h.once([2]*run{h.run})
			h.judge([2]*run{h.run})
			h.run.stage = judged
			h.run = h.run.exited(&h.end, true)
		}
	}()
}

// once calls Run, and stores the error that it ended with in h.end. After Goexit it does not
// return. The names and the first argument of once and judge identify the goroutine of a run
// in a dump of all stacks. The argument is an array because arrays are passed in memory: the
// receiver is passed in a register, and what a traceback prints for it is unreliable.
//
//go:noinline
func (h *host) once(_ [2]*run) {
	defer h.recovered()
	pprof.SetGoroutineLabels(h.run.life.labels) // whatever the goroutine had before, or inherited
	h.end.Err = h.run.surrounded()(h.run)
	h.run.stage = judging
}

// recovered is deferred by once. It makes a panic the error that Run ended with.
func (h *host) recovered() {
	if h.run.stage != inRun {
		return
	}
	h.end.Err = child.ErrGoexit // also if the text of the panic's value calls it
	if h.run.life.passPanics {
		return // recover would stop the panic
	}
	if v := recover(); v != nil {
		h.end.Err = child.Recovered(v)
	}
}

// unwound is deferred by the goroutine. It handles the end of a run that has called Goexit:
// in Run, also before or during a panic there, or while its end was being judged.
func (h *host) unwound() {
	r := h.run
	if r == nil || r.stage == judged || r.life.passPanics && r.stage == inRun && panicking() {
		return // or the process is about to crash: let it
	}
	defer func() { r.exited(&h.end, false) }() // also if judge calls Goexit
	if r.stage == inRun {
		h.judge([2]*run{r})
	}
}

// panicking reports whether the deferred function that calls it runs because of a panic,
// and not because of Goexit.
func panicking() bool {
	var calls [4]uintptr
	n := runtime.Callers(3, calls[:]) // without Callers, panicking and the deferred function
	caller, _ := runtime.CallersFrames(calls[:n]).Next()
	return caller.Function == gopanic.Function
}

// judge ends the contexts of a run that has ended, and determines what its end counts as. It
// may call user code: Decide and the methods of errors. If that panics or calls Goexit, the
// end counts as a failure. After Goexit judge does not return.
//
//go:noinline
func (h *host) judge(_ [2]*run) {
	r, err := h.run, h.end.Err
	r.stage = judging
	var decide func(error) error
	if !r.plain {
		decide = r.spec.Decide
	}
	stopped := false
	if decide != nil || r.graced.Load() {
		stopped = r.end()
	} else if r.endContext(); err == nil {
		h.end = machine.Outcome{Kind: machine.Normal}
		return
	}
	h.end = machine.Outcome{Kind: machine.Failure, Err: child.ErrGoexit, Unclean: true}
	defer func() {
		if v := recover(); v != nil {
			h.end.Err = child.Recovered(v)
		}
	}()
	if decide != nil && (!stopped || err != nil) {
		err = decide(err)
	}
	out := classify(err)
	out.Unclean = !r.harmless(err)
	h.end = out
}

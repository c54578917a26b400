package supervisor

import (
	"bytes"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// The stack of a run that hangs is cut out of a dump of all goroutines. A dump stops
// the world, for more than a microsecond a goroutine, so a thousand runs that are late
// together must share one. A dump is taken outside of any life's lock, and it knows
// where in it each run stands.

// A dump is the stacks of all goroutines at one moment.
type dump struct {
	at   time.Time          // before the world was stopped
	took time.Duration      // for how long it was stopped, at the most
	of   map[uintptr][]byte // by the address of the run
}

// stack returns the stack of a run, or nil: it was not found, or the dump is older than
// since, a time of the run's life, and may show what the run did before it was late.
func (d *dump) stack(r *run, since time.Duration) []byte {
	if d == nil || d.at.Sub(r.life.began) < since {
		return nil
	}
	return bytes.Clone(d.of[reflect.ValueOf(r).Pointer()])
}

// dumps takes the dumps of a tree and keeps the latest, for those who come a little
// later.
type dumps struct {
	mu     sync.Mutex // held while one is taken: who comes meanwhile waits, and shares it
	latest *dump
	forget *time.Timer
	taken  int // how many, for tests
}

const (
	// dumpFresh is how old a dump may be for a run that has been late for longer.
	dumpFresh = 250 * time.Millisecond
	// dumpShare bounds the time for which the world is stopped: after a dump that took a
	// millisecond there is none for the next twenty.
	dumpShare = 20
)

// since returns a dump that is no older than a moment, or the latest if it is too soon
// for another. It blocks while one is taken, so it is not called under a life's lock.
func (d *dumps) since(moment time.Time) *dump {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if d.latest != nil && (!d.latest.at.Before(moment) || now.Before(d.latest.at.Add((dumpShare+1)*d.latest.took))) {
		return d.latest
	}
	d.latest = newDump(now)
	d.taken++
	keep := max(dumpFresh, dumpShare*d.latest.took)
	if d.forget == nil {
		d.forget = time.AfterFunc(keep, d.drop)
	} else {
		d.forget.Reset(keep)
	}
	return d.latest
}

// drop lets go of the latest dump, which may be megabytes.
func (d *dumps) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest = nil
}

// end drops the latest dump when the tree ends.
func (d *dumps) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest = nil
	if d.forget != nil {
		d.forget.Stop()
	}
}

// lateFor returns the moment from which on a dump shows why a run is late that was
// waited for so long: it must have been waited for mostly.
func lateFor(now time.Time, waited time.Duration) time.Time {
	return now.Add(-min(waited/2, dumpFresh))
}

// newDump takes a dump.
func newDump(now time.Time) *dump {
	text, took := allStacks()
	return &dump{at: now, took: took, of: stacksOfRuns(text)}
}

// maxDump bounds the text of all stacks: enough for some sixty thousand goroutines. Of
// what lies beyond, no stack is reported.
const maxDump = 64 << 20

// allStacks returns the stacks of all goroutines, and for how long it stopped the world.
func allStacks() (text []byte, took time.Duration) {
	const perGoroutine = 1 << 10 // what most need
	size := min(1<<16+perGoroutine*runtime.NumGoroutine(), maxDump)
	for ; ; size = min(4*size, maxDump) {
		buf := make([]byte, size)
		from := time.Now()
		n := runtime.Stack(buf, true)
		took += time.Since(from)
		if n < size || size == maxDump {
			return buf[:n], took
		}
	}
}

// stacksOfRuns finds the stacks of runs among all. There is no name for a goroutine
// that costs nothing while all is well, but the traceback prints the first argument of
// run.once and run.judge: the run.
func stacksOfRuns(text []byte) map[uintptr][]byte {
	of := make(map[uintptr][]byte)
	for stack := range bytes.SplitSeq(text, []byte("\n\n")) {
		for _, name := range [...]string{"once", "judge"} {
			_, call, found := bytes.Cut(stack, []byte("supervisor.(*run)."+name+"("))
			if !found {
				continue
			}
			args, _, _ := bytes.Cut(call, []byte("\n"))
			_, args, _ = bytes.Cut(args, []byte("{0x"))
			digits, _, _ := bytes.Cut(args, []byte(","))
			if r, err := strconv.ParseUint(string(digits), 16, 64); err == nil {
				of[uintptr(r)] = stack
			}
		}
	}
	return of
}

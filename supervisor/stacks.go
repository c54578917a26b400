package supervisor

import (
	"bytes"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// The stack of a run that hangs is cut out of a dump of all goroutines. A dump stops the
// world for more than a microsecond per goroutine, so a thousand runs that are late at once
// must share one. A dump is taken without the lock of any life, and has an index by run.

// A dump is the stacks of all goroutines at one moment.
type dump struct {
	at   time.Time          // before the world was stopped
	took time.Duration      // how long the world was stopped, at most
	of   map[uintptr][]byte // by the address of the run
}

// stack returns the stack of a run. It returns nil if the stack was not found, or if the
// dump is older than since, a time of the run's life, and so may show the run before it
// was late.
func (d *dump) stack(r *run, since time.Duration) []byte {
	if d == nil || d.at.Sub(r.life.began) < since {
		return nil
	}
	return bytes.Clone(d.of[addressOf(r)])
}

// addressOf returns the address that a traceback prints for the run.
func addressOf(r *run) uintptr { return reflect.ValueOf(r).Pointer() }

// dumps takes the dumps of a tree, and keeps the latest one for runs that are late a
// little later.
type dumps struct {
	mu     sync.Mutex // held while a dump is taken: callers wait for it and share it
	latest *dump
	forget *time.Timer
	taken  int // number of dumps, for tests
}

const (
	// dumpFresh is how old a dump may be for a run that has been late for longer.
	dumpFresh = 250 * time.Millisecond
	// dumpShare bounds the share of time for which the world is stopped: after a dump that
	// took one millisecond there is none for the next twenty.
	dumpShare = 20
)

// since returns a dump no older than moment, or the latest one if it is too soon for
// another. It blocks while a dump is taken, so it must not be called under a life's lock.
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

// drop releases the latest dump, which may have megabytes.
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

// lateFor returns the moment from which on a dump shows why a run is late: when most of
// the time waited for it had passed.
func lateFor(now time.Time, waited time.Duration) time.Time {
	return now.Add(-min(waited/2, dumpFresh))
}

// newDump takes a dump.
func newDump(now time.Time) *dump {
	text, took := allStacks()
	return &dump{at: now, took: took, of: stacksOfRuns(text)}
}

// maxDump bounds the size of all stacks, enough for about sixty thousand goroutines.
// Stacks beyond it are not reported.
const maxDump = 64 << 20

// allStacks returns the stacks of all goroutines, and how long it stopped the world.
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

// stacksOfRuns finds the stacks of runs among all stacks. Naming a goroutine has a cost
// while all is well, but a traceback prints the first argument of host.once and host.judge,
// which is the run.
func stacksOfRuns(text []byte) map[uintptr][]byte {
	of := make(map[uintptr][]byte)
	for stack := range bytes.SplitSeq(text, []byte("\n\n")) {
		for _, name := range [...]string{"once", "judge"} {
			_, call, found := bytes.Cut(stack, []byte("supervisor.(*host)."+name+"("))
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

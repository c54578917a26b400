// Package bench compares Coppice with hand-written code and with other libraries.
// docs/performance.md describes what is measured and how to read the results.
package bench

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A Kind says what kind of implementation a Shape is.
type Kind uint8

const (
	Ours  Kind = iota // Coppice
	Floor             // written by hand; each child can be stopped alone
	Peer              // another library
)

func (k Kind) String() string { return [...]string{"Coppice", "floor", "peer"}[k] }

// A Shape is one implementation of what a Measure measures.
type Shape struct {
	Kind Kind
	Name string
	Run  func(*Meter)
	Base bool // the row's target refers to it, see Measure.Base
}

// A Measure is one block of the table: an operation and all its implementations.
type Measure struct {
	Name   string
	Unit   string // what one operation is
	Target string
	Base   string // what the shapes with Base set have in common; empty if none is marked
	Rounds int    // maximum number of rounds; zero means no limit
	Shapes []Shape
}

// A Meter measures the time that a shape takes and counts what it allocates.
type Meter struct {
	Least int           // continue until at least this many operations are done
	Limit time.Duration // and at least this much time is measured
	Warm  time.Duration // after this much time, which is forgotten

	warm           bool
	ops            int
	took           time.Duration
	mallocs, bytes uint64
	samples        []time.Duration
}

// more reports whether the shape must call time again. When the shape is warm, it forgets what
// was measured until then: a process that has just started gets its heap and its stacks from
// the system, and its goroutines grow their stacks. A shape whose operation can be done only
// once in a process does not call more, and is measured cold.
func (m *Meter) more() bool {
	if !m.warm && m.took >= m.Warm {
		*m = Meter{Least: m.Least, Limit: m.Limit, warm: true, samples: m.samples[:0]}
	}
	return !m.warm || m.ops == 0 || m.ops < m.Least || m.took < m.Limit
}

// time runs and measures f, which does ops operations.
func (m *Meter) time(ops int, f func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	at := time.Now()
	f()
	m.took += time.Since(at)
	runtime.ReadMemStats(&after)
	m.ops += ops
	m.mallocs += after.Mallocs - before.Mallocs
	m.bytes += after.TotalAlloc - before.TotalAlloc
}

// A Result is the cost of one operation.
type Result struct {
	Ops           int
	NS            float64
	Allocs, Bytes float64
	P50, P99      float64 // percentiles of the samples in ns; zero if there are no samples
}

// Result returns the cost of one operation, averaged over all calls of time.
func (m *Meter) Result() Result {
	n := float64(m.ops)
	r := Result{Ops: m.ops, NS: float64(m.took.Nanoseconds()) / n, Allocs: float64(m.mallocs) / n, Bytes: float64(m.bytes) / n}
	if len(m.samples) > 0 {
		slices.Sort(m.samples)
		r.P50 = float64(m.samples[len(m.samples)/2])
		r.P99 = float64(m.samples[len(m.samples)*99/100])
	}
	return r
}

// batch is the number of operations in one call of time if each one is cheap.
const batch = 500

// must panics if err is not nil. It is for errors that only a bug can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

var names []string

// need makes the names of children 0 to n-1, so that no measurement includes that.
func need(n int) {
	for i := len(names); i < n; i++ {
		names = append(names, fmt.Sprint("child-", i))
	}
}

// A crew is a group of idle children. Child i is called names[i].
type crew interface {
	add(i int)    // returns when the child is ready
	remove(i int) // returns when the child has ended
	stop()        // returns when all children have ended
}

// A maker makes a crew with children 0 to n-1 and returns when all are ready.
type maker func(n int) crew

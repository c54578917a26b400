// Package bench measures Coppice beside hand-written shapes and beside other
// libraries. docs/performance.md says what is measured and how to read it.
package bench

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A Kind says who is measured.
type Kind uint8

const (
	Ours  Kind = iota // Coppice
	Floor             // written by hand, each child can be stopped alone
	Peer              // another library
)

func (k Kind) String() string { return [...]string{"Coppice", "floor", "peer"}[k] }

// A Shape is one way to do what a measure asks for.
type Shape struct {
	Kind Kind
	Name string
	Run  func(*Meter)
	Base bool // of the floors: one that the row's target speaks of, see Measure.Base
}

// A Measure is a row of the table, with all who take part.
type Measure struct {
	Name   string
	Unit   string // what one operation is
	Target string
	Base   string // what the floors with Base have in common; empty: no floor is marked
	Rounds int    // at most so many; zero is no limit
	Shapes []Shape
}

// A Meter times what a shape does, and counts what it allocates.
type Meter struct {
	Least int           // go on until so many operations are done,
	Limit time.Duration // and so much time is taken

	ops            int
	took           time.Duration
	mallocs, bytes uint64
	samples        []time.Duration
}

// more reports whether there is to be another call of time.
func (m *Meter) more() bool { return m.ops == 0 || m.ops < m.Least || m.took < m.Limit }

// time runs f, which does so many operations.
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

// A Result is what one operation costs.
type Result struct {
	Ops           int
	NS            float64
	Allocs, Bytes float64
	P50, P99      float64 // of the samples, in ns; zero if there are none
}

// Result returns what was measured.
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

// batch is how many operations are timed at once where each is cheap.
const batch = 500

// must is for what cannot fail unless the program is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

var names []string

// need has names for children 0 to n-1 ready, so that nobody pays for making them.
func need(n int) {
	for i := len(names); i < n; i++ {
		names = append(names, fmt.Sprint("child-", i))
	}
}

// A crew is a number of idle children under one roof. Child i goes by names[i].
type crew interface {
	add(i int)    // returns when it is ready
	remove(i int) // returns when it is gone
	stop()        // returns when all are gone
}

// A maker makes a crew with children 0 to n-1, all ready.
type maker func(n int) crew

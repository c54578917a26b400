//go:build !race

// The race detector allocates too, so nothing is counted with it.

package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// What the hot paths allocate, in all goroutines together. A figure that goes up
// is a change to be explained in docs/performance.md.

// allocs fails the test if f allocates more than that. It may be less: a child that
// is stopped early has not called Done.
func allocs(t *testing.T, most float64, f func()) {
	t.Helper()
	for range 10 { // what is made once is made
		f()
	}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, f), most, "allocations")
}

// bytesOf returns how many bytes f allocates, on average of some calls.
func bytesOf(calls int, f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / uint64(calls)
}

func TestAllocationsOfOneChildAddedAndRemoved(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.RestForOne, strategy.Independent, strategy.Graph} {
		t.Run(s.String(), func(t *testing.T) {
			sup := crowd(t, s, 10)
			// The child with its spec, the run, its context (three), the go statement.
			addAndRemove := func() {
				must(t, addOne(sup))
				must(t, sup.RemoveChild(context.Background(), "one"))
			}
			allocs(t, 6, addAndRemove)
			require.Less(t, bytesOf(1000, addAndRemove), uint64(640+16), "bytes")
			must(t, sup.Stop(context.Background()))
		})
	}
}

// The requests about children of one call share a record. The children do not: one that lives
// long would keep the memory of the others, and what their Run functions refer to.
func TestAllocationsOfTenChildrenInOneCall(t *testing.T) {
	for s, most := range map[strategy.Strategy]float64{strategy.OneForOne: 67, strategy.RestForOne: 67, strategy.OneForAll: 67, strategy.Independent: 70, strategy.Graph: 70} {
		t.Run(s.String(), func(t *testing.T) {
			sup := crowd(t, s, 10)
			specs, names := make([]child.Spec, 10), make([]string, 10)
			for i := range specs {
				names[i] = fmt.Sprint("more", i)
				specs[i] = child.Spec{Name: names[i], Run: idler}
			}
			allocs(t, most, func() {
				must(t, sup.StartChild(context.Background(), specs...))
				must(t, sup.RemoveChild(context.Background(), names...))
			})
			must(t, sup.Stop(context.Background()))
		})
	}
}

// A stumbler is a child that fails a given number of times.
type stumbler struct {
	order, done chan int
	left        int
	panics      bool
}

func (f *stumbler) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	if f.left == 0 {
		select {
		case <-ctx.Done():
			return nil
		case f.left = <-f.order:
		}
	} else if f.left--; f.left == 0 {
		f.done <- 0
		<-ctx.Done()
		return nil
	}
	if f.panics {
		panic(errBoom)
	}
	return errBoom
}

func TestAllocationsOfARestart(t *testing.T) {
	const many = 1000
	for _, c := range []struct {
		name      string
		panics    bool
		subscribe []supervisor.EventKind
		most      float64
	}{
		// The run, its context and the function that ends it. Done is not called.
		{name: "after an error", most: 3},
		// Besides, the error and what it keeps of the stack.
		{name: "after a panic", panics: true, most: 5},
		// Events without a subscriber cost nothing.
		{name: "with a subscriber to something else", subscribe: []supervisor.EventKind{supervisor.EventGaveUp}, most: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &stumbler{order: make(chan int), done: make(chan int), panics: c.panics}
			sup := newRoot(supervisor.Spec{Intensity: strategy.Unlimited()})
			if c.subscribe != nil {
				sup.Subscribe(func(supervisor.Event) {}, c.subscribe...)
			}
			must(t, sup.Start(context.Background()))
			must(t, sup.StartChild(context.Background(), child.Spec{Name: "f", Run: f.Run}))
			got := testing.AllocsPerRun(5, func() {
				f.order <- many
				<-f.done
				must(t, sup.RestartChild(context.Background(), "f"))
			})
			require.LessOrEqual(t, got/many, c.most+0.1, "allocations")
			must(t, sup.Stop(context.Background()))
		})
	}
}

func TestAllocationsOfASupervisor(t *testing.T) {
	spec := supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "one", Run: idler}}}
	startAndStop := func() {
		sup := supervisor.New(spec)
		must(t, sup.Start(context.Background()))
		must(t, sup.Stop(context.Background()))
	}
	allocs(t, 16, startAndStop)
	require.Less(t, bytesOf(1000, startAndStop), uint64(3400), "bytes")
}

func TestAllocationsOfAQuery(t *testing.T) {
	const n = 6400
	sup := crowd(t, strategy.OneForOne, n)
	var buf []child.Status
	for name, c := range map[string]struct {
		most float64
		look func()
	}{
		"AppendChildren with a buffer": {0, func() { buf = sup.AppendChildren(buf[:0], 0) }},
		"Children":                     {1 + n/64 + 7, func() { sup.Children() }}, // the slice, and a text of paths for each 64
		"Count":                        {0, func() { sup.Count() }},
		"Lookup":                       {1, func() { sup.Lookup("17") }}, // the path
		"Health":                       {0, func() { must(t, sup.Health()) }},
	} {
		t.Run(name, func(t *testing.T) {
			c.look()
			require.LessOrEqual(t, testing.AllocsPerRun(10, c.look), c.most, "allocations")
		})
	}
	require.Less(t, bytesOf(1, func() { sup.Children() })/n, uint64(250), "bytes a child: a status and its share of a text")
	must(t, sup.Stop(context.Background()))
}

// The paths of a snapshot share their text, a few dozen to a piece.
func TestOneKeptPathDoesNotKeepAllPaths(t *testing.T) {
	const n, looks = 6400, 100
	sup := crowd(t, strategy.OneForOne, n)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var kept []string
	for range looks {
		kept = append(kept, sup.Children()[n-1].Path)
	}
	text := uint64(len(kept[0]) * 64) // of one piece; all would be a hundred times as much
	after := heap()
	runtime.KeepAlive(kept)
	must(t, sup.Stop(context.Background()))
	require.Less(t, after, before+10*looks*text)
}

func TestAllocationsOfARunningChild(t *testing.T) {
	running := make(chan child.Context)
	sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		must(t, ctx.Ready())
		running <- ctx
		<-ctx.Done()
		return nil
	}}}})
	must(t, errors.Join(sup.Start(context.Background())))
	ctx := <-running
	for name, call := range map[string]func(){
		"Ready again": func() { must(t, ctx.Ready()) },
		"Heartbeat":   ctx.Heartbeat,
		"ShouldHalt":  func() { ctx.ShouldHalt() },
		"OnError":     func() { ctx.OnError(errBoom) },
		"Unready":     func() { ctx.Unready(errBoom); must(t, ctx.Ready()) },
	} {
		t.Run(name, func(t *testing.T) {
			call()
			require.Zero(t, testing.AllocsPerRun(100, call), "allocations")
		})
	}
	must(t, sup.Stop(context.Background()))
}

// must is require.NoError without its cost.
func must(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(fmt.Sprint(err))
	}
}

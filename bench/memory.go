package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

// Memory is the memory of one idle child in bytes, its number of objects on the heap, and the
// number of goroutines of the whole crew.
type Memory struct {
	Heap, Stack, Resident, Objects float64
	Goroutines                     int
}

// A MemoryShape is a crew whose memory is measured. Measure each in its own process:
// otherwise it would reuse memory that an earlier one has freed.
type MemoryShape struct {
	Kind Kind
	Name string
	Base bool
	make maker
}

// MemoryShapes returns all shapes whose memory is measured.
func MemoryShapes() (all []MemoryShape) {
	for _, s := range []crewShape{independent, oneForOne, goCtxChans, goRecord, goBare, goRegistry, bareReg, byGoService, bySuture, byErrgroup, byConc, byRun} {
		all = append(all, MemoryShape{s.kind, s.name, s.base, s.make})
	}
	return all
}

// Of measures a crew of n children.
func (s MemoryShape) Of(n int) Memory {
	need(n)
	before, resident, goroutines := used()
	c := s.make(n)
	after, resident2, goroutines2 := used()
	c.stop()
	per := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(n) }
	return Memory{
		Heap: per(before.HeapAlloc, after.HeapAlloc), Stack: per(before.StackInuse, after.StackInuse), Resident: per(resident, resident2),
		Objects: per(before.HeapObjects, after.HeapObjects), Goroutines: goroutines2 - goroutines,
	}
}

func used() (m runtime.MemStats, resident uint64, goroutines int) {
	runtime.GC()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	return m, residentBytes(), runtime.NumGoroutine()
}

// residentBytes returns the resident memory of the process; zero if the system is not Linux.
func residentBytes() uint64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("VmRSS:"))
	var kb uint64
	_, _ = fmt.Fscan(bytes.NewReader(rest), &kb)
	return kb << 10
}

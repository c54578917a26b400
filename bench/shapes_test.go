package bench

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/strategy"
)

// settled waits until there are no more goroutines than before. A goroutine that has
// signalled its end may need a moment to exit.
func settled(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, want %d as before", runtime.NumGoroutine(), before)
		}
	}
}

func crews() []crewShape {
	return []crewShape{independent, oneForOne, goCtxChans, goRecord, goTimed, goBare, goRegistry, bareReg, recordOrder, bareOrder, byGoService, bySuture, byErrgroup, byConc, byRun}
}

// alone reports whether a running crew can add and remove a single child.
func alone(s crewShape) bool {
	return s.name != byErrgroup.name && s.name != byConc.name && s.name != byRun.name
}

func TestACrewStartsAllChildrenAndLeavesNoGoroutine(t *testing.T) {
	need(100)
	for _, s := range crews() {
		t.Run(s.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			c := s.make(100)
			if now := runtime.NumGoroutine() - before; now < 100 || now > 103 {
				t.Errorf("100 children have %d goroutines", now)
			}
			c.stop()
			settled(t, before)
		})
	}
}

func TestASingleChildIsAddedAndRemoved(t *testing.T) {
	need(12)
	for _, s := range crews() {
		if !alone(s) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			c := s.make(10)
			full := runtime.NumGoroutine()
			c.add(10)
			c.add(11)
			if got := runtime.NumGoroutine() - full; got != 2 {
				t.Errorf("two more children have %d goroutines", got)
			}
			c.remove(11)
			settled(t, full+1)
			c.remove(10)
			settled(t, full)
			c.add(10)
			c.stop()
			settled(t, before)
		})
	}
}

func TestTenChildrenStartAndStopInOneCall(t *testing.T) {
	need(inOneCall)
	for _, s := range handfuls() {
		t.Run(s.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			c := s.make()
			empty := runtime.NumGoroutine()
			for range 3 {
				c.addAll()
				settled(t, empty+inOneCall) // a call may have a goroutine that waits
				if got := runtime.NumGoroutine() - empty; got != inOneCall {
					t.Errorf("ten children have %d goroutines", got)
				}
				c.removeAll()
				settled(t, empty)
			}
			c.stop()
			settled(t, before)
		})
	}
}

// A stop that does not wait would return while most children still run. A child that has
// signalled its end may have an instruction or two left; with one processor it comes to them
// before the stop returns, unless it is preempted.
func TestStopWaitsUntilAllChildrenHaveEnded(t *testing.T) {
	const n, lingering = 1000, 20
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	need(n)
	for _, s := range crews() {
		before := runtime.NumGoroutine()
		s.make(n).stop()
		if left := runtime.NumGoroutine() - before; left > lingering {
			t.Errorf("%s: %d of %d children still run when stop returns", s.name, left, n)
		}
		settled(t, before)
	}
}

func keepers() map[string]keeper {
	return map[string]keeper{
		"Coppice, OneForOne": coppiceKeeper(strategy.OneForOne, 3, nil), "Coppice, Independent": coppiceKeeper(strategy.Independent, 3, nil),
		"suture": sutureKeeper(3), "floor among others": beside(3, goPerRestart(recovering(noStack))),
		"goroutine per restart": goPerRestart(recovering(counters)), "by a supervising one": goBySupervisor(recovering(textStack)),
		"loop in place": inPlace(recovering(counters)), "conc": inPlace(byConcGuard),
	}
}

func TestAKeeperRestartsItsChildAfterEachFailure(t *testing.T) {
	for name, keep := range keepers() {
		for _, panics := range []bool{false, true} {
			before := runtime.NumGoroutine()
			c := newCrasher()
			c.panics, c.timed = panics, true
			end := keep(c)
			c.fail(7)
			c.fail(13)
			// The wait for orders between the two calls counts as one.
			if len(c.samples) != 20 {
				t.Errorf("%s, panics %v: %d restarts, want 20", name, panics, len(c.samples))
			}
			end()
			settled(t, before)
		}
	}
}

// The table finds a shape by the names of its row and its own.
func TestRowsAndTheirShapesHaveNamesOfTheirOwn(t *testing.T) {
	rows := make(map[string]bool)
	for _, m := range Measures() {
		if rows[m.Name] {
			t.Errorf("two rows %q", m.Name)
		}
		rows[m.Name] = true
		shapes := make(map[string]bool)
		bases := 0
		for _, s := range m.Shapes {
			if shapes[s.Name] {
				t.Errorf("%s: two shapes %q", m.Name, s.Name)
			}
			shapes[s.Name] = true
			if s.Base {
				bases++
			}
		}
		if (m.Base != "") != (bases > 0) {
			t.Errorf("%s: base %q of %d shapes", m.Name, m.Base, bases)
		}
	}
}

func TestAMeterForgetsWhatItMeasuredWhileItWasCold(t *testing.T) {
	const cold, warm = 5 * time.Millisecond, time.Millisecond
	m := For(cold+warm, cold)
	var turns []time.Duration
	for m.more() {
		m.time(1, func() {
			for began := time.Now(); time.Since(began) < warm; {
			}
		})
		m.samples = append(m.samples, m.took)
		turns = append(turns, m.took)
	}
	if m.ops >= len(turns) || len(m.samples) != m.ops {
		t.Errorf("%d operations and %d samples of %d turns", m.ops, len(m.samples), len(turns))
	}
	if m.took < m.Limit || turns[len(turns)-m.ops-1] < cold {
		t.Errorf("measured %v after %v", m.took, turns)
	}
}

// The runs of a job have ended when its call returns.
func TestAJobThatIsAChildHasEndedWhenItsCallReturns(t *testing.T) {
	for _, s := range jobAsChild().Shapes {
		before := runtime.NumGoroutine()
		m := &Meter{Least: 2 * batch}
		s.Run(m)
		if m.ops != 2*batch {
			t.Errorf("%s: %d jobs", s.Name, m.ops)
		}
		settled(t, before)
	}
}

// Every shape of every measure runs once and leaves no goroutine.
func TestEveryShapeRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("some shapes have a hundred thousand children")
	}
	for _, m := range Measures() {
		if strings.HasSuffix(m.Name, " among 1000000") {
			continue
		}
		for _, s := range m.Shapes {
			before := runtime.NumGoroutine()
			meter := For(0, 0)
			s.Run(meter)
			if r := meter.Result(); r.Ops == 0 || r.NS <= 0 {
				t.Errorf("%s, %s: %+v", m.Name, s.Name, r)
			}
			settled(t, before)
		}
	}
}

// BenchmarkShape is for profiles:
//
//	go test -run '^$' -bench 'Shape/^restart_after_an_error$/Coppice,_OneForOne' -cpuprofile cpu.out
//
// and for the script compare, which runs each shape in its own process.
func BenchmarkShape(b *testing.B) {
	for _, m := range Measures() {
		b.Run(m.Name, func(b *testing.B) {
			for _, s := range m.Shapes {
				b.Run(s.Name, func(b *testing.B) {
					b.ReportAllocs()
					meter := &Meter{Least: b.N}
					s.Run(meter)
					r := meter.Result()
					b.ReportMetric(r.NS, "ns/op")
					b.ReportMetric(r.Allocs, "allocs/op")
					b.ReportMetric(r.Bytes, "B/op")
				})
			}
		})
	}
}

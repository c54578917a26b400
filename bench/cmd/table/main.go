// Command table runs all measures and prints the results as a table. Each shape of a
// measure runs once per round; the result is the median of the rounds. Each run has its
// own process: one that has once had a million goroutines stays slower, and one in which
// others have run before has warm stacks and a large heap. A run is warmed up before it is
// measured.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/bench"
)

var (
	only   = flag.String("only", "", "measure only rows whose name matches this `regexp`")
	rounds = flag.Int("rounds", 5, "maximum rounds of each measure; expensive ones have fewer, memory always 2")
	each   = flag.Duration("each", 30*time.Millisecond, "minimum `time` measured for each shape in each round")
	warm   = flag.Duration("warm", 30*time.Millisecond, "`time` for which each shape runs in each round before it is measured")
	list   = flag.Bool("list", false, "print the benchmark of each shape of Coppice, as go test names it, and measure nothing")
	turn   = flag.String("turn", "", "run this `shape` of the measure -only once, print the result as JSON and exit; table itself uses this")
)

const (
	memory = "memory per idle child among 100,000"
	idle   = 100_000
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *turn != "" {
		takeTurn()
		return
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal(err)
	}
	if *list {
		listBenchmarks()
		return
	}
	began := time.Now()
	fmt.Printf("%s %s/%s, GOMAXPROCS %d, up to %d rounds of %v\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), *rounds, *each)
	for _, m := range bench.Measures() {
		if wanted.MatchString(m.Name) {
			measure(m)
		}
	}
	if wanted.MatchString(memory) {
		allMemory()
	}
	fmt.Printf("\ntook %v\n", time.Since(began).Round(time.Second))
}

// listBenchmarks prints the names of benchmarks for the script compare: row/shape.
func listBenchmarks() {
	for _, m := range bench.Measures() {
		for _, s := range m.Shapes {
			if s.Kind == bench.Ours {
				fmt.Println(strings.ReplaceAll(m.Name+"/"+s.Name, " ", "_"))
			}
		}
	}
}

func measure(m bench.Measure) {
	n := *rounds
	if m.Rounds > 0 {
		n = min(n, m.Rounds)
	}
	results := make([][]bench.Result, len(m.Shapes))
	for round := range n {
		for k := range m.Shapes {
			i := (k + round) % len(m.Shapes) // no shape always follows the same one
			var r bench.Result
			inTurn(m.Name, m.Shapes[i].Name, &r)
			results[i] = append(results[i], r)
		}
	}
	var lines []line
	latency := false
	for i, s := range m.Shapes {
		of := func(get func(bench.Result) float64) float64 { return median(results[i], get) }
		l := line{s.Kind, s.Name, s.Base, []float64{of(func(r bench.Result) float64 { return r.NS })}, []float64{
			of(func(r bench.Result) float64 { return r.Allocs }), of(func(r bench.Result) float64 { return r.Bytes }),
		}}
		if p50 := of(func(r bench.Result) float64 { return r.P50 }); p50 > 0 {
			latency = true
			l.compared = []float64{p50, of(func(r bench.Result) float64 { return r.P99 })}
		}
		lines = append(lines, l)
	}
	columns := []string{"ns"}
	if latency {
		columns = []string{"p50 ns", "p99 ns"}
	}
	show(fmt.Sprintf("%s, per %s", m.Name, m.Unit), m.Target, m.Base, columns, []string{"allocs", "B"}, lines)
}

func median[T any](all []T, get func(T) float64) float64 {
	values := make([]float64, len(all))
	for i, one := range all {
		values[i] = get(one)
	}
	slices.Sort(values)
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2
}

// A line is one shape in the table: the values in compared get ratios, those in plain do not.
type line struct {
	kind     bench.Kind
	name     string
	base     bool
	compared []float64
	plain    []float64
}

func show(title, target, base string, columns, plain []string, lines []line) {
	fmt.Printf("\n%s\n    target: %s\n", title, target)
	if base != "" {
		fmt.Printf("    x base: to the best of the %s (*)\n", base)
	}
	fmt.Printf("    %-8s%-46s", "", "")
	for _, c := range columns {
		fmt.Printf("%10s %8s %8s", c, "x floor", "x base")
	}
	for _, p := range plain {
		fmt.Printf("%10s", p)
	}
	fmt.Println()
	for _, l := range lines {
		name := l.name
		if l.base && base != "" {
			name += " *"
		}
		fmt.Printf("    %-8s%-46s", l.kind, name)
		for i, v := range l.compared {
			fmt.Printf("%10.0f %8s %8s", v, ratio(v, lines, i, false), ratio(v, lines, i, true))
		}
		for _, v := range l.plain {
			fmt.Printf("%10.1f", v)
		}
		fmt.Println()
	}
}

// ratio returns the ratio of v to the lowest value of the floors, or of the base, as text.
func ratio(v float64, lines []line, column int, base bool) string {
	least := 0.0
	for _, l := range lines {
		if wanted := base && l.base || !base && l.kind == bench.Floor; wanted && (least == 0 || l.compared[column] < least) {
			least = l.compared[column]
		}
	}
	if least <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v/least)
}

func allMemory() {
	const rounds = 2
	shapes := bench.MemoryShapes()
	results := make([][]bench.Memory, len(shapes))
	for range rounds {
		for i, s := range shapes {
			var m bench.Memory
			inTurn(memory, s.Name, &m)
			results[i] = append(results[i], m)
		}
	}
	var lines []line
	for i, s := range shapes {
		of := func(get func(bench.Memory) float64) float64 { return median(results[i], get) }
		lines = append(lines, line{s.Kind, s.Name, s.Base, []float64{
			of(func(m bench.Memory) float64 { return m.Heap }),
			of(func(m bench.Memory) float64 { return m.Resident }),
		}, []float64{
			of(func(m bench.Memory) float64 { return m.Objects }),
			of(func(m bench.Memory) float64 { return m.Stack }),
			of(func(m bench.Memory) float64 { return float64(m.Goroutines) }),
		}})
	}
	show(memory+", bytes", "heap 1,150 B in 7 objects, resident 1.1x, one goroutine per child and no other",
		"floors that give each child a context", []string{"heap B", "resid. B"}, []string{"objects", "stack B", "gorout."}, lines)
}

// inTurn runs one shape in a new process and decodes its result.
func inTurn(measure, shape string, result any) {
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command(self, "-only", measure, "-turn", shape, "-each", each.String(), "-warm", warm.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, result)
	}
	if err != nil {
		log.Fatalf("%s, %s: %v", measure, shape, err)
	}
}

// takeTurn is the main function of a process that inTurn starts.
func takeTurn() {
	result := any(nil)
	for _, m := range bench.Measures() {
		for _, s := range m.Shapes {
			if m.Name == *only && s.Name == *turn {
				meter := bench.For(*each, *warm)
				s.Run(meter)
				result = meter.Result()
			}
		}
	}
	for _, s := range bench.MemoryShapes() {
		if *only == memory && s.Name == *turn {
			result = s.Of(idle)
		}
	}
	if result == nil {
		log.Fatalf("no shape %q of %q", *turn, *only)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

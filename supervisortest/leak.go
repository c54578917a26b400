package supervisortest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// NoLeaks returns the spec with an Around that labels each run of the tree, at any depth,
// with the child's path. Goroutines inherit these pprof labels. When the test ends, after
// the tree has stopped, the test fails for each goroutine that a child has started and
// that still runs, with the child's path and the goroutine's stack.
//
//	sup := supervisortest.Start(t, supervisortest.NoLeaks(t, spec))
//
// NoLeaks ignores the goroutines of other trees, so tests may run in parallel. A goroutine
// that is about to end has a second to do so; in a bubble, no time. An abandoned run
// itself is not listed: it is in the stop report. In a test with Run, NoLeaks is not
// needed: Run does the same.
func NoLeaks(t testing.TB, spec supervisor.Spec) supervisor.Spec {
	t.Helper()
	g, spec := newGate(t, spec)
	t.Cleanup(func() {
		t.Helper()
		g.check(t)
	})
	return spec
}

// The keys of the pprof labels.
const (
	treeLabel  = "coppice.tree"
	childLabel = "coppice.child"
)

// A gate finds the goroutines of one tree.
type gate struct{ tree string }

var gates atomic.Uint64

// newGate returns a gate, and the spec with the Around that sets its labels.
func newGate(t testing.TB, spec supervisor.Spec) (gate, supervisor.Spec) {
	g := gate{fmt.Sprintf("%s#%d", t.Name(), gates.Add(1))}
	spec.Around = supervisor.Arounds(g.around, spec.Around)
	return g, spec
}

func (g gate) around(ctx child.Context, run func(child.Context) error) (err error) {
	g.do(ctx, ctx.Path(), func(ctx context.Context) { err = run(child.FromContext(ctx)) })
	return err
}

// do calls f with the labels set.
func (g gate) do(ctx context.Context, path string, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels(treeLabel, g.tree, childLabel, path), f)
}

// check fails the test for each leak.
func (g gate) check(t testing.TB) {
	t.Helper()
	for _, l := range g.leaks() {
		t.Errorf("leak: %s left %s running: every goroutine must end before Run returns, or with its context:\n%s",
			l.path, goroutines(l.count), l.stack)
	}
}

func goroutines(n int) string {
	if n == 1 {
		return "a goroutine"
	}
	return fmt.Sprintf("%d goroutines", n)
}

// A leak is a number of goroutines with the same stack, and the child that started them.
type leak struct {
	path  string
	count int
	stack string
}

// leaks returns the goroutines that still run after those about to end have had time to.
func (g gate) leaks() []leak {
	testkit.Settle()
	left := g.look()
	if testkit.InBubble() {
		return left // what has not ended by now is blocked
	}
	for pause := time.Millisecond; len(left) > 0 && pause < time.Second; pause *= 2 {
		timer := time.NewTimer(pause) // the end of a goroutine cannot be awaited
		<-timer.C
		left = g.look()
	}
	return left
}

// look reads the goroutine profile as text, which has a paragraph for each stack with its
// labels:
//
//	2 @ 0x4446f1 0x4830fd
//	# labels: {"coppice.child":"/root/db", "coppice.tree":"TestA#1"}
//	#	0x51c530	main.f+0xb0	/src/main.go:51
func (g gate) look() (left []leak) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil
	}
	mine := strconv.Quote(treeLabel) + ":" + strconv.Quote(g.tree)
	for _, paragraph := range strings.Split(profile.String(), "\n\n") {
		head, rest, _ := strings.Cut(paragraph, "\n# labels: ")
		labels, stack, _ := strings.Cut(rest, "\n")
		if !strings.Contains(labels, mine) || strings.Contains(stack, "supervisor.(*host).once") {
			continue
		}
		head = head[strings.LastIndex(head, "\n")+1:]
		l := leak{stack: calls(stack), count: 1}
		if n, _, ok := strings.Cut(head, " @ "); ok {
			l.count, _ = strconv.Atoi(n)
		}
		if _, value, ok := strings.Cut(labels, strconv.Quote(childLabel)+":"); ok {
			quoted, _ := strconv.QuotedPrefix(value)
			l.path, _ = strconv.Unquote(quoted)
		}
		left = append(left, l)
	}
	return left
}

// calls returns a profile's stack without its addresses.
func calls(stack string) string {
	var text []string
	for _, line := range strings.Split(strings.TrimSpace(stack), "\n") {
		if fields := strings.Fields(line); len(fields) == 4 {
			call, _, _ := strings.Cut(fields[2], "+0x")
			text = append(text, "    "+call+"\n        "+fields[3])
		}
	}
	return strings.Join(text, "\n")
}

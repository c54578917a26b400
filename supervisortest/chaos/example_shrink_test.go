package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/coppice-go/coppice/supervisortest/chaos"
)

// testBrittle is the body of a test. The tree gives up at the second failure within a
// second. Of all actions that Messy runs in a minute, two are enough for that: a crash and
// a Goexit of db. The children that Messy adds have a backoff, so their failures do not
// count.
func testBrittle(t testing.TB) {
	spec := chaos.Messy(1)
	spec.Rules = []chaos.Rule{{
		Says:  "the tree does not give up",
		Holds: func(r *chaos.Report) bool { return r.Events["gave-up"] == 0 },
	}}
	report := chaos.Shrink(t, func() supervisor.Spec {
		return supervisor.Spec{
			Intensity: strategy.AtMost(1, time.Second),
			Children:  []child.Spec{{Name: "db", Run: new(supervisortest.Child).Run}},
		}
	}, spec)
	fmt.Println(report.Actions, report.Done)
}

func ExampleShrink() {
	runExample(testBrittle)
	// Output:
	// FAIL: chaos: messy, seed 1:
	// 2798 map[crash:1 goexit:1 start again:1]
}

// runExample runs f in a bubble, as go test would run a test.
func runExample(f func(t testing.TB)) {
	if !testing.Testing() { // on the Go playground
		all := func(_, _ string) (bool, error) { return true, nil }
		inBubble := func(t *testing.T) { synctest.Test(t, func(*testing.T) { f(new(failingT)) }) }
		testing.Main(all, []testing.InternalTest{{Name: "Example", F: inBubble}}, nil, nil)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0)) // -cpu changes it
	defer func(v string) { _ = flag.Set("test.v", v) }(flag.Lookup("test.v").Value.String())
	_ = flag.Set("test.v", "false") // so that its output is not that of the example
	ran := false
	testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Example", F: func(t *testing.T) {
		if ran { // once, whatever -count says
			return
		}
		ran = true
		synctest.Test(t, func(*testing.T) { f(new(failingT)) })
	}}})
}

// A failingT is a testing.TB that prints the first line of each failure.
type failingT struct{ testing.TB }

func (*failingT) Helper()                  {}
func (*failingT) Context() context.Context { return context.Background() }
func (*failingT) Failed() bool             { return false }
func (*failingT) Logf(string, ...any)      {}
func (*failingT) Errorf(format string, args ...any) {
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	fmt.Println("FAIL:", line)
}
func (t *failingT) Fatalf(format string, args ...any) { t.Errorf(format, args...) }

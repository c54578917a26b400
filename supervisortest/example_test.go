package supervisortest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// A printer is the t of an example. It prints the first line of each failure.
type printer struct {
	testing.TB
	failed   bool
	cleanups []func()
}

func (p *printer) Helper()                  {}
func (p *printer) Name() string             { return "Example" }
func (p *printer) Context() context.Context { return context.Background() }
func (p *printer) Failed() bool             { return p.failed }
func (p *printer) Logf(string, ...any)      {}
func (p *printer) Cleanup(f func())         { p.cleanups = append(p.cleanups, f) }

func (p *printer) Errorf(format string, args ...any) {
	p.failed = true
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	fmt.Println("FAIL:", line)
}

func (p *printer) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	runtime.Goexit()
}

// test runs f as go test would run a test.
func test(f func(t testing.TB)) {
	p, done := new(printer), make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for len(p.cleanups) > 0 {
				last := p.cleanups[len(p.cleanups)-1]
				p.cleanups = p.cleanups[:len(p.cleanups)-1]
				last()
			}
		}()
		f(p)
	}()
	<-done
}

// bubbleTest runs f as go test would run a test, with a *testing.T: a bubble needs one,
// and only package testing can create it.
func bubbleTest(f func(t *testing.T)) {
	if !testing.Testing() { // on the Go playground
		all := func(_, _ string) (bool, error) { return true, nil }
		testing.Main(all, []testing.InternalTest{{Name: "Example", F: f}}, nil, nil)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0)) // as -cpu changes it
	defer func(v string) { _ = flag.Set("test.v", v) }(flag.Lookup("test.v").Value.String())
	_ = flag.Set("test.v", "false") // so that its output is not that of the example
	ran := false
	testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Example", F: func(t *testing.T) {
		if !ran { // not once for each -count
			ran = true
			f(t)
		}
	}}})
}

func ExampleStart() {
	test(func(t testing.TB) {
		db := &supervisortest.Child{}
		sup := supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run}}})
		fmt.Println(sup.Health())
	})
	// Output: <nil>
}

// A child that cannot start fails the test.
func ExampleStart_fails() {
	test(func(t testing.TB) {
		db := &supervisortest.Child{FailStarts: 1, StartError: errors.New("no route to host")}
		supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run}}})
	})
	// Output: FAIL: start: /root/db: no route to host
}

// A child that fails to start twice, then runs, and fails when the test says so.
func ExampleChild() {
	test(func(t testing.TB) {
		db := &supervisortest.Child{FailStarts: 2}
		sup := supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "db", Run: db.Run, RetryStart: true, Backoff: child.Constant(time.Millisecond)},
		}})
		events := supervisortest.Record(t, sup)
		events.Order(t, "fail db", "fail db", "ready db")
		db.End(t, supervisortest.Panic("disk on fire"))
		failed := events.Await(t, supervisortest.Match{Kind: supervisor.EventFailed, Path: "db"})
		fmt.Println(failed.Err)
		events.Await(t, supervisortest.Match{Kind: supervisor.EventReady, Path: "db"})
		for _, run := range db.Runs() {
			fmt.Println(run.Restarts, !run.Ready.IsZero(), run.Err)
		}
	})
	// Output:
	// panic: disk on fire
	// 0 false scripted failure
	// 1 false scripted failure
	// 2 true supervisortest: panic(disk on fire)
	// 3 true <nil>
}

func ExampleRecord() {
	test(func(t testing.TB) {
		db, api := &supervisortest.Child{}, &supervisortest.Child{}
		sup := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: db.Run}, {Name: "api", Run: api.Run}}})
		events := supervisortest.Record(t, sup)
		_ = sup.Start(t.Context())
		_ = sup.Stop(t.Context())
		events.Order(t, "start db", "ready db", "start api", "ready api", "stop api", "stopped api", "stop db", "stopped db")
		fmt.Println(len(events.Events()))
	})
	// Output: 11
}

func ExampleRecorder_Await() {
	errGone := errors.New("gone")
	test(func(t testing.TB) {
		db := &supervisortest.Child{}
		sup := supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run}}})
		db.End(t, fmt.Errorf("connection: %w", errGone))
		e := supervisortest.Record(t, sup).Await(t, supervisortest.Match{Err: errGone})
		fmt.Println(e.Kind, e.Path, e.Err)
	})
	// Output: failed /root/db connection: gone
}

func ExampleRecorder_Order() {
	test(func(t testing.TB) {
		db, api := &supervisortest.Child{}, &supervisortest.Child{}
		sup := supervisortest.Start(t, supervisor.Spec{
			Strategy: strategy.OneForAll,
			Children: []child.Spec{{Name: "db", Run: db.Run}, {Name: "api", Run: api.Run}},
		})
		db.End(t, supervisortest.ErrScripted)
		events := supervisortest.Record(t, sup)
		events.Order(t, "fail db", "stop api", "stopped api")
		events.Order(t, "start api", "ready db")
	})
	// Output: FAIL: Order: event 1: want "start api", got "ready /root/db".
}

// deaf is a child that ignores the error of Ready.
type deaf struct{}

func (*deaf) Run(ctx child.Context) error {
	_ = ctx.Ready() // wrong: it may return an error
	<-ctx.Done()
	return nil
}

func ExampleCheck() {
	test(func(t testing.TB) {
		contract := supervisortest.Contract{StopTimeout: 20 * time.Millisecond}
		contract.Check(t, func() child.Runnable { return new(deaf) })
	})
	// Output: FAIL: contract: Run went on after ctx.Ready returned an error: return that error at once
}

func ExampleNoLeaks() {
	over := make(chan struct{})
	defer close(over)
	mailer := func(ctx child.Context) error {
		go func() { <-over }() // a leak: it does not end with ctx
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	test(func(t testing.TB) {
		spec := supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "mailer", Run: mailer}}}
		supervisortest.Start(t, supervisortest.NoLeaks(t, spec))
	})
	// Output: FAIL: leak: /shop/mailer left a goroutine running: every goroutine must end before Run returns, or with its context:
}

func ExampleRun() {
	bubbleTest(func(t *testing.T) {
		db := &supervisortest.Child{ReadyAfter: time.Second}
		supervisortest.Run(t, func() supervisor.Spec {
			return supervisor.Spec{
				Backoff:  child.Constant(time.Hour),
				Children: []child.Spec{{Name: "db", Run: db.Run}},
			}
		}, func(h *supervisortest.Harness) {
			h.Crash("db", errors.New("disk full"))
			fmt.Println(h.Tree())
			h.Advance(time.Hour)
			fmt.Println(h.Child("db").State)
			h.Advance(time.Second)
			fmt.Println(h.Child("db").State, h.Child("db").Restarts)
		})
	})
	// Output:
	// root   running   one-for-one
	// └─ db  waiting   next start in 1h0m0s, last: disk full, just now
	//
	// starting
	// running 1
}

func ExampleHarness() {
	bubbleTest(func(t *testing.T) {
		a, b := &supervisortest.Child{}, &supervisortest.Child{StopAfter: time.Second}
		supervisortest.Run(t, func() supervisor.Spec {
			return supervisor.Spec{
				Strategy: strategy.OneForAll,
				Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "b", Run: b.Run}},
			}
		}, func(h *supervisortest.Harness) {
			h.Crash("a", child.ErrGoexit)
			h.Events.Order(h.T, "fail a", "stop b", "stopped b", "start a", "ready a", "start b", "ready b")
			h.Settle()
			fmt.Println(h.Supervisor.Health(), b.Runs()[0].Cause)
		})
	})
	// Output: <nil> stopped with a sibling
}

// Kept as a golden file, the table shows in a review how a change affects the tree.
func ExampleFaultTable() {
	bubbleTest(func(t *testing.T) {
		fmt.Print(supervisortest.FaultTable(t, func() supervisor.Spec {
			db := &supervisortest.Child{ReadyAfter: time.Second}
			return supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run}}}
		}))
	})
	// Output:
	// /root/db: crash
	//         0s  failed /root/db: injected fault
	//         0s  restarting /root/db: injected fault
	//         0s  starting /root/db
	//         1s  ready /root/db
	//       1m0s  all ready
	// /root/db: crash at start
	//         0s  starting /root/db
	//        1ms  failed /root/db: injected fault
	//        1ms  start failed: /root/db: injected fault
	// /root/db: hang at stop
	//         0s  stopping /root/db: stopped
	//         5s  abandoned /root/db
	//         5s  stopped with an error: /root/db: did not stop within 5s
	// /root/db: slow ready
	//         0s  starting /root/db
	//        10s  slow-start /root/db: ctx.Ready was not called within 10s: call it when set-up is done
	//        16s  ready /root/db
	//      1m16s  all ready
}

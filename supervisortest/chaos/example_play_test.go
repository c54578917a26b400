package chaos_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/coppice-go/coppice/supervisortest/chaos"
)

// testShop is the body of a test. It is live, for a tenth of a second. In a bubble, as in
// the function passed to supervisortest.Run, Play takes a minute of virtual time by
// default, and the same seed gives the same trace.
func testShop(t testing.TB) {
	db := &supervisortest.Child{}
	shop := supervisortest.Start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: db.Run}}})
	spec := chaos.Happy(1)
	spec.Duration = 100 * time.Millisecond
	report := chaos.Play(t, shop, spec)
	fmt.Println(report.Name, report.Seed, len(report.Broken), report.Started == report.Ended)
}

func ExamplePlay() {
	t := new(exampleT)
	defer func() { t.end() }()
	testShop(t)
	// Output: happy 1 0 true
}

// An exampleT stands in for the *testing.T that go test would make.
type exampleT struct {
	testing.TB
	end func()
}

func (*exampleT) Helper()                           {}
func (*exampleT) Context() context.Context          { return context.Background() }
func (*exampleT) Failed() bool                      { return false }
func (*exampleT) Logf(string, ...any)               {}
func (*exampleT) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (*exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (t *exampleT) Cleanup(f func())                { t.end = f }

package machine

import (
	"math"
	"reflect"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// The shell allocates a child together with its spec. 256 is a size class of Go's allocator.
func TestAChildAndItsSpecFitIntoTheirSizeClass(t *testing.T) {
	if size := unsafe.Sizeof(Child{}) + unsafe.Sizeof(child.Spec{}); size > 256 && strconv.IntSize == 64 {
		t.Errorf("they have %d bytes together: the next size class has 288", size)
	}
}

// Each field of a spec in turn has a value, and what is asked for is what the spec says.
func TestPlainChildHasNothingThatIsAskedFor(t *testing.T) {
	plain := 0
	for i := range reflect.TypeFor[child.Spec]().NumField() {
		var spec child.Spec
		field := reflect.ValueOf(&spec).Elem().Field(i)
		switch field.Kind() {
		case reflect.Func:
			field.Set(reflect.MakeFunc(field.Type(), nil))
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Uint8:
			field.SetUint(uint64(child.Temporary))
		case reflect.Int64:
			field.SetInt(1)
		case reflect.Bool:
			field.SetBool(true)
		default:
			field.SetString("x")
		}
		name := reflect.TypeFor[child.Spec]().Field(i).Name
		if field.IsZero() {
			t.Error("no value for", name)
		}
		c := new(Child)
		c.setSpec(&spec)
		if c.temporary() != (spec.Restart == child.Temporary) || c.significant() != spec.Significant ||
			c.startTimeout() != spec.StartTimeout || c.stopTimeout() != spec.StopTimeout || c.heartbeat() != spec.Heartbeat ||
			c.Plain && spec.Decide != nil {
			t.Error("it is not looked at:", name)
		}
		plain += count(c.Plain)
		c.setSpec(&child.Spec{Name: "a"})
		if !c.Plain {
			t.Error("it has another spec now")
		}
	}
	if plain == 0 {
		t.Error("none is plain")
	}
}

func TestOnlyAChildThatFailsHasFailures(t *testing.T) {
	m := readyMachine(strategy.OneForAll, "a", "b")
	a, b := m.Child("a"), m.Child("b")
	m.Restart(a, nil, 0)
	m.Exited(a, a.Run(), Outcome{}, 0)
	m.Ready(a, a.Run(), 0)
	m.Stop(a, false, nil, 0)
	m.Exited(a, a.Run(), Outcome{}, 0)
	m.Restart(a, nil, 0)
	m.Ready(a, a.Run(), 0)
	if a.failures != nil {
		t.Error("a has not failed")
	}
	var first *Failures
	for at := time.Duration(1); at < 4; at++ {
		m.Exited(a, a.Run(), Outcome{Kind: Failure, Err: errWorld}, at)
		m.Exited(b, b.Run(), Outcome{}, at)
		if f := a.Failures(); f.LastError != errWorld || f.LastErrorAt != at {
			t.Errorf("%+v", f)
		}
		if first == nil {
			first = a.Failures()
		}
		m.Ready(a, a.Run(), at)
		m.Ready(b, b.Run(), at)
	}
	if a.Failures() != first {
		t.Error("they were made more than once")
	}
	if b.failures != nil {
		t.Error("b has only been restarted with a")
	}
	if a.Restarts != 3 || b.Restarts != 3 {
		t.Errorf("restarts: %d and %d", a.Restarts, b.Restarts)
	}
	if noFailures != (Failures{}) {
		t.Error("the shared zero value was written")
	}
}

func TestRestartsStayAtTheLargestNumber(t *testing.T) {
	m := readyMachine(strategy.OneForOne, "a")
	a := m.Child("a")
	a.Restarts = math.MaxInt32 - 1
	for range 3 {
		m.Exited(a, a.Run(), Outcome{Kind: Failure, Err: errWorld}, 0)
		m.Ready(a, a.Run(), 0)
	}
	if a.Restarts != math.MaxInt32 {
		t.Errorf("%d", a.Restarts)
	}
}

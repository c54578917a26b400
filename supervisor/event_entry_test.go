package supervisor

import (
	"errors"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// fields returns the fields of an event, which can be set also if they are not exported.
func fields(e *Event) map[string]reflect.Value {
	of := make(map[string]reflect.Value)
	v := reflect.ValueOf(e).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		of[v.Type().Field(i).Name] = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
	}
	return of
}

// fill sets a value that differs from zero and, if possible, from that of other fields.
func fill(t *testing.T, v reflect.Value, n int) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Now().Add(time.Duration(n))))
		return
	case *Changes:
		v.Set(reflect.ValueOf(&Changes{Added: []string{strconv.Itoa(n)}}))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(strconv.Itoa(n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Slice:
		v.SetBytes([]byte(strconv.Itoa(n)))
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n+i)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(errors.New(strconv.Itoa(n))))
	default:
		t.Fatalf("a field of an event is of a kind that is new here: %v", v.Type())
	}
	require.False(t, v.IsZero())
}

func throughAnEntry(e Event) (after Event) {
	after = Event{Stack: []byte("stale"), Restarts: 99, again: true} // what was in its place before
	n := entryOf(&e)
	n.event(&after)
	return after
}

// For each kind, because it decides which of the durations is in the entry.
func TestAnEntryKeepsEachFieldOfAnEvent(t *testing.T) {
	for kind := EventKind(0); kind <= EventOver; kind++ {
		var all Event
		n := 1
		for name := range fields(&all) {
			one := Event{Kind: kind}
			if name != "Kind" {
				fill(t, fields(&one)[name], n)
				fill(t, fields(&all)[name], n)
				n++
			}
			require.Equal(t, one, throughAnEntry(one), "%v with %s", kind, name)
		}
		all.Kind = kind
		require.Equal(t, all, throughAnEntry(all), "%v with all fields", kind)
	}
}

func TestAnEntryKeepsAnyNumber(t *testing.T) {
	for _, restarts := range []int{0, 1, math.MaxInt32} {
		e := Event{Kind: EventFailed, Restarts: restarts}
		require.Equal(t, e, throughAnEntry(e))
	}
	for _, d := range []time.Duration{math.MinInt64, -1, math.MaxInt64} {
		for kind := EventKind(0); kind <= EventOver; kind++ {
			e := Event{Kind: kind, Took: d, Delay: d, wait: d, down: d}
			require.Equal(t, e, throughAnEntry(e))
		}
	}
}

// What the level depends on is in the entry itself, so that an event that nobody wants is
// never copied for the question.
func TestLevelIsFoundWithoutAllocation(t *testing.T) {
	e := Event{Kind: EventOver, wrong: [2]int{0, 1}, Text: "stopped", Stack: []byte("stack"), Restarts: math.MaxInt32}
	require.Zero(t, testing.AllocsPerRun(10, func() { e.Level() }))
	require.Equal(t, slog.LevelWarn, e.Level())
	n := entryOf(&e)
	require.Equal(t, slog.LevelWarn, n.level())
}

func TestAnEntryTakesTwoCacheLines(t *testing.T) {
	if strconv.IntSize == 64 {
		require.LessOrEqual(t, unsafe.Sizeof(entry{}), uintptr(128))
	}
}

func TestEventsOfARestartNeedNoRest(t *testing.T) {
	for _, e := range []Event{
		{Kind: EventFailed, Err: child.ErrHung, Ready: true, Reason: ReasonFailed, By: "/a", Because: 1},
		{Kind: EventFailed, wait: time.Second},
		{Kind: EventRestarting, Err: child.ErrHung, Delay: time.Second, Restarts: 1},
		{Kind: EventStarting, Run: 2, Restarts: 1},
		{Kind: EventReady, Took: time.Second, Ready: true, again: true, atOnce: true},
		{Kind: EventStopped, Took: time.Second, clean: true, unasked: true},
	} {
		require.Nil(t, entryOf(&e).rest, e)
	}
}

// Two subscribers share what an entry refers to. A text that one of them has not received yet
// is replaced for that one alone.
func TestATextIsReplacedInOneQueueAlone(t *testing.T) {
	at := func(text string) *entry {
		n := entryOf(&Event{Kind: EventStatus, Path: "/a", Run: 1, Text: text, Ready: text == "second"})
		return &n
	}
	var quick, slow subscription
	quick.busy, slow.busy = true, true // nothing is delivered
	first := at("first")
	quick.put(first)
	slow.put(first)
	slow.put(at("second"))
	e, ok := quick.take()
	require.True(t, ok)
	require.Equal(t, "first", e.Text)
	require.False(t, e.Ready)
	e, ok = slow.take()
	require.True(t, ok)
	require.Equal(t, "second", e.Text)
	require.True(t, e.Ready)
	slow.put(first)
	slow.put(at(""))
	e, _ = slow.take()
	require.Empty(t, e.Text)
	require.Zero(t, slow.queued())
}

package child_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// caught calls f and returns the error that Recovered makes of its panic.
func caught(f func()) (p *child.PanicError) {
	defer func() { p, _ = child.Recovered(recover()).(*child.PanicError) }()
	f()
	return nil
}

func explode(value any) { panic(value) }

func TestRecoveredOfNilIsNil(t *testing.T) {
	require.Nil(t, child.Recovered(nil))
	require.Nil(t, caught(func() {}))
}

func TestPanicErrorText(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{"boom", "panic: boom"},
		{42, "panic: 42"},
		{io.EOF, "panic: EOF"},
		{"boom\nand\nmore", "panic: boom"},
		{"", "panic: "},
		{struct{ A, B int }{1, 2}, "panic: {1 2}"},
		{[2]time.Duration{1, 2}, "panic: [1ns 2ns]"},
		{time.Second, "panic: 1s"},
		{"\x1b[2J\r\u202e\xff\r\nmore", `panic: \x1b[2J\r\u202e\xff`},
	} {
		p := caught(func() { explode(c.value) })
		require.EqualError(t, p, c.want)
		require.Equal(t, c.value, p.Value)
	}
}

func TestPanicErrorUnwrapsToAnError(t *testing.T) {
	missing := &fs.PathError{Op: "open", Path: "shop.db", Err: fs.ErrNotExist}
	p := caught(func() { explode(missing) })
	require.Equal(t, missing, errors.Unwrap(p))

	err := fmt.Errorf("run: %w", p)
	require.ErrorIs(t, err, fs.ErrNotExist)
	var path *fs.PathError
	require.ErrorAs(t, err, &path)
	require.Equal(t, "shop.db", path.Path)
	var again *child.PanicError
	require.ErrorAs(t, err, &again)
	require.Same(t, p, again)
}

func TestPanicErrorOfAnotherValueWrapsNothing(t *testing.T) {
	require.NoError(t, errors.Unwrap(caught(func() { explode("boom") })))
}

func TestPanicWithNilIsAPanic(t *testing.T) {
	p := caught(func() { explode(nil) })
	require.NotNil(t, p)
	var nilValue *runtime.PanicNilError
	require.ErrorAs(t, p, &nilValue)
}

func TestPanicOfTheRuntimeIsARuntimeError(t *testing.T) {
	p := caught(func() {
		var none []int
		_ = none[len(none)]
	})
	var fault runtime.Error
	require.ErrorAs(t, p, &fault)
	require.EqualError(t, p, "panic: runtime error: index out of range [0] with length 0")
	require.True(t, strings.HasPrefix(string(p.Stack()), here+"TestPanicOfTheRuntimeIsARuntimeError"), "%s", p.Stack())
}

// here is the prefix of the functions of this package in a stack.
const here = "github.com/coppice-go/coppice/child_test."

func TestStackStartsWithTheFunctionThatPanicked(t *testing.T) {
	p := caught(func() { explode("boom") })
	stack := string(p.Stack())
	require.Equal(t, stack, string(p.Stack()), "the same on each call")
	require.Regexp(t, `^`+regexp.QuoteMeta(here)+`explode\n\t\S*/panic_test\.go:\d+\n`, stack)
	require.Contains(t, stack, here+"caught\n")
	require.Contains(t, stack, here+"TestStackStartsWithTheFunctionThatPanicked\n")
	require.Contains(t, stack, "testing.tRunner\n")
	require.NotContains(t, stack, "child.Recovered", "without the frames of the recovery")
	require.NotContains(t, stack, "gopanic")

	// Each call has a line with its function, and a line with file and line number.
	require.Regexp(t, `^(\S+\n\t\S+:\d+\n)+$`, stack)
}

func TestStackOfAPanicWhilePanickingStartsWithTheLastOne(t *testing.T) {
	p := caught(func() {
		defer explode("second")
		panic("first")
	})
	require.Equal(t, "second", p.Value)
	require.True(t, strings.HasPrefix(string(p.Stack()), here+"explode\n"), "%s", p.Stack())
}

func TestPanicErrorNotMadeByRecoveredHasNoStack(t *testing.T) {
	p := &child.PanicError{Value: "boom"}
	require.EqualError(t, p, "panic: boom")
	require.Empty(t, p.Stack())
}

func TestPanicTextDoesNotReadSharedMemory(t *testing.T) {
	type state struct{ N int }
	for want, value := range map[string]any{
		"panic: (*child_test.state)":          &state{},
		"panic: ([]int)":                      []int{1},
		"panic: (map[string]int)":             map[string]int{},
		"panic: (struct { At *int })":         struct{ At *int }{},
		"panic: (struct { Of interface {} })": struct{ Of any }{},
	} {
		require.EqualError(t, caught(func() { explode(value) }), want)
	}
}

// writer writes to *n concurrently with f, until f returns.
func writer(n *int, f func()) {
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				*n++
			}
		}
	})
	f()
	close(stop)
	done.Wait()
}

// A test for the race detector.
func TestPanicWithASharedPointerIsNotARace(t *testing.T) {
	type state struct{ n int }
	shared := new(state)
	writer(&shared.n, func() {
		p := caught(func() { explode(shared) })
		require.Same(t, shared, p.Value)
		require.EqualError(t, p, "panic: (*child_test.state)")
	})
}

type counted struct{ n int }

func (c *counted) Error() string { return fmt.Sprint("count ", c.n) }

// The value may still be in use after its panic was recovered.
func TestPanicTextIsMadeWhenRecovering(t *testing.T) {
	value := &counted{1}
	p := caught(func() { explode(value) })
	value.n = 2
	require.EqualError(t, p, "panic: count 1")
}

func TestPanicTextIsBounded(t *testing.T) {
	p := caught(func() { explode(strings.Repeat("日本", 1<<20)) })
	require.Equal(t, len("panic: ")+1023+len("…"), len(p.Error()))
	require.True(t, strings.HasPrefix(p.Error(), "panic: 日本"))
	require.True(t, strings.HasSuffix(p.Error(), "日…"))
}

// byMethod is an error whose Error method is given by the test.
type byMethod func() string

func (f byMethod) Error() string { return f() }

func TestPanicTextSurvivesAPanicInItsMethod(t *testing.T) {
	var spiteful byMethod
	spiteful = func() string { panic(spiteful) }
	for _, c := range []struct {
		value byMethod
		want  string
	}{
		{func() string { panic("broken") }, "panic: %!v(PANIC=Error method: broken)"},
		{spiteful, "panic: (child_test.byMethod)"},
	} {
		require.EqualError(t, caught(func() { explode(c.value) }), c.want)
	}
}

func TestPanicErrorOfNil(t *testing.T) {
	var none *child.PanicError
	require.EqualError(t, none, "nil *child.PanicError")
	require.NoError(t, none.Unwrap())
	require.Nil(t, none.Stack())
	require.EqualError(t, &child.PanicError{}, "panic: <nil>")
}

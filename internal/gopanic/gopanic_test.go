package gopanic

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func caller() string {
	var calls [1]uintptr
	n := runtime.Callers(3, calls[:]) // without Callers, caller and the deferred function
	frame, _ := runtime.CallersFrames(calls[:n]).Next()
	return frame.Function
}

// If this fails, a new version of Go has renamed the function: change Function.
func TestAPanicRunsDeferredFunctionsFromFunction(t *testing.T) {
	var on string
	func() {
		defer func() { _ = recover() }()
		defer func() { on = caller() }()
		panic("boom")
	}()
	require.Equal(t, Function, on)
}

func TestGoexitRunsDeferredFunctionsFromAnotherFunction(t *testing.T) {
	on := make(chan string, 1)
	go func() {
		defer func() { on <- caller() }()
		runtime.Goexit()
	}()
	require.NotEqual(t, Function, <-on)
}

package gate

import (
	"syscall"
	"time"
	"unsafe"
)

const (
	clockMonotonic = 1
	clockBoottime  = 7
)

// asleep returns how long the machine has slept since its start: CLOCK_BOOTTIME counts
// sleep, and CLOCK_MONOTONIC does not.
func asleep() time.Duration {
	steady, ok := clock(clockMonotonic)
	if !ok {
		return 0
	}
	all, ok := clock(clockBoottime)
	if !ok {
		return 0
	}
	return all - steady
}

func clock(id uintptr) (time.Duration, bool) {
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano()), errno == 0
}

package sdnotify

import (
	"syscall"
	"unsafe"
)

// monotonic returns the time of CLOCK_MONOTONIC in microseconds. The time package has that
// clock, but not its value.
func monotonic() (usec int64, ok bool) {
	const clockMonotonic = 1
	var now syscall.Timespec
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano() / 1000, failed == 0
}

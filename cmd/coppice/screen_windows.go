package main

import (
	"os"
	"syscall"
	"unsafe"
)

// endSignals are the signals that end the command in order.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}

var (
	kernel32       = syscall.NewLazyDLL("kernel32.dll")
	getBufferInfo  = kernel32.NewProc("GetConsoleScreenBufferInfo")
	setConsoleMode = kernel32.NewProc("SetConsoleMode")
)

// windowSize returns the size of a console, and false if the file is none.
func windowSize(file *os.File) (columns, rows int, ok bool) {
	var info struct {
		size, cursor             [2]int16
		attributes               uint16
		left, top, right, bottom int16
		largest                  [2]int16
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		done, _, _ := getBufferInfo.Call(fd, uintptr(unsafe.Pointer(&info)))
		ok = done != 0
	})
	return int(info.right-info.left) + 1, int(info.bottom-info.top) + 1, ok && err == nil
}

// escapes makes the console understand escape codes, and reports whether it does.
func escapes(file *os.File) bool {
	const virtualTerminal = 4
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = raw.Control(func(fd uintptr) {
		var mode uint32
		if syscall.GetConsoleMode(syscall.Handle(fd), &mode) != nil {
			return
		}
		done, _, _ := setConsoleMode.Call(fd, uintptr(mode|virtualTerminal))
		ok = done != 0
	})
	return ok && err == nil
}

// Windows has no signals for these. The size is read for each picture.
func notifyResize(chan<- os.Signal)  {}
func notifySuspend(chan<- os.Signal) {}
func suspendSelf()                   {}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// endSignals are the signals that end the command in order.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// windowSize returns the size of a terminal, and false if the file is none.
func windowSize(file *os.File) (columns, rows int, ok bool) {
	var size struct{ rows, columns, x, y uint16 }
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
		ok = errno == 0
	})
	return int(size.columns), int(size.rows), ok && err == nil
}

// escapes reports whether the terminal understands escape codes.
func escapes(*os.File) bool { return true }

// notifyResize relays to c when the window of the terminal has another size.
func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }

// notifySuspend relays to c when the user types Ctrl-Z.
func notifySuspend(c chan<- os.Signal) { signal.Notify(c, syscall.SIGTSTP) }

// suspendSelf stops the process until the shell continues it.
func suspendSelf() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) }

//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package main

import (
	"os"
	"syscall"
)

// endSignals are the signals that end the command in order.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}

// windowSize reports that the file is no terminal: the standard library cannot tell on
// this system.
func windowSize(*os.File) (columns, rows int, ok bool) { return 0, 0, false }

func escapes(*os.File) bool { return false }

func notifyResize(chan<- os.Signal)  {}
func notifySuspend(chan<- os.Signal) {}
func suspendSelf()                   {}

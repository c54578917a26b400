//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package process

import (
	"os"
	"syscall"
)

// awaitExit waits until a child process has exited, and does not reap it. The waitid of
// macOS also returns when the process is only stopped, so this asks kqueue.
func awaitExit(pid int) error {
	queue, err := syscall.Kqueue()
	if err != nil {
		return os.NewSyscallError("kqueue", err)
	}
	defer syscall.Close(queue)
	var events [1]syscall.Kevent_t
	for {
		syscall.SetKevent(&events[0], pid, syscall.EVFILT_PROC, syscall.EV_ADD|syscall.EV_ONESHOT)
		events[0].Fflags = syscall.NOTE_EXIT
		n, err := syscall.Kevent(queue, events[:], events[:], nil)
		if n > 0 && events[0].Flags&syscall.EV_ERROR != 0 {
			err = syscall.Errno(events[0].Data)
		}
		switch {
		case err == syscall.ESRCH: // it has exited already, and is a zombie
			return nil
		case err == syscall.EINTR:
		case err != nil:
			return os.NewSyscallError("kevent", err)
		case n > 0:
			return nil
		}
	}
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package blackbox

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// takeLock creates the file if it is missing and locks it until it is closed. The kernel
// releases the lock when the process ends, however it ends.
func takeLock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_EX); err != nil { // waits while a reader looks at it
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// isLocked reports whether a process has locked the file.
func isLocked(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(flock(f, syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			return err
		}
	}
}

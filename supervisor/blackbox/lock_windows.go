package blackbox

import (
	"errors"
	"io"
	"os"
	"syscall"
)

const errSharingViolation syscall.Errno = 32

// takeLock creates the file if it is missing and opens it so that nobody else can, until
// it is closed. The system closes it when the process ends, however it ends.
func takeLock(path string) (io.Closer, error) {
	h, err := openAlone(path, syscall.OPEN_ALWAYS)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return handle(h), nil
}

// isLocked reports whether a process has locked the file.
func isLocked(path string) bool {
	h, err := openAlone(path, syscall.OPEN_EXISTING)
	if err == nil {
		_ = syscall.CloseHandle(h)
	}
	return errors.Is(err, errSharingViolation)
}

func openAlone(path string, disposition uint32) (syscall.Handle, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	return syscall.CreateFile(name, syscall.GENERIC_READ, 0, nil, disposition, syscall.FILE_ATTRIBUTE_NORMAL, 0)
}

type handle syscall.Handle

func (h handle) Close() error { return syscall.CloseHandle(syscall.Handle(h)) }

//go:build unix

package sdnotify

import (
	"errors"
	"net"
	"os"
	"syscall"
)

func listeners(count, names string) (map[string]net.Listener, error) {
	all, err := passed(count, names)
	if err != nil {
		return nil, err
	}
	for i := range all { // first of all, since other goroutines may start processes
		syscall.CloseOnExec(firstPassed + i)
	}
	found := make(map[string]net.Listener)
	var faults []error
	for i, name := range all {
		fd := firstPassed + i
		if found[name] != nil {
			faults = append(faults, &fault{fd, name, errors.New("a second socket with that name: give each a socket unit, with a FileDescriptorName, of its own")})
			continue
		}
		ln, err := listener(fd)
		if err != nil {
			faults = append(faults, &fault{fd, name, err})
			if errors.Is(err, syscall.EBADF) {
				break // nor are there any after it
			}
			continue
		}
		found[name] = ln
	}
	return found, errors.Join(faults...)
}

// listener makes a listener of a descriptor. If it fails, the descriptor stays as it is: it
// may belong to something else.
func listener(fd int) (net.Listener, error) {
	listening, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	switch {
	case errors.Is(err, syscall.EBADF):
		return nil, err
	case err != nil || listening == 0:
		return nil, errors.New("not a listening stream socket: the socket unit needs ListenStream, and no Accept=yes")
	}
	syscall.ForkLock.RLock()
	own, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(own)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	file := os.NewFile(uintptr(own), "listener")
	ln, err := net.FileListener(file) // has a copy
	file.Close()
	if err != nil {
		return nil, err
	}
	return ln, syscall.Close(fd)
}

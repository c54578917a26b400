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
	var faults []error
	for i := range all { // first of all, since other goroutines may start processes
		if !open(firstPassed + i) {
			faults = append(faults, &fault{firstPassed + i, all[i], syscall.EBADF})
			all = all[:i]
			break
		}
		syscall.CloseOnExec(firstPassed + i)
	}
	found := make(map[string]net.Listener)
	for i, name := range all {
		ln, err := net.Listener(nil), errTwice
		if found[name] == nil {
			ln, err = listener(firstPassed + i)
		}
		if err != nil {
			faults = append(faults, &fault{firstPassed + i, name, err})
			continue
		}
		found[name] = ln
	}
	return found, errors.Join(faults...)
}

var (
	errTwice      = errors.New("a second socket with that name: give each a socket unit, with a FileDescriptorName, of its own")
	errNoListener = errors.New("not a listening stream socket: the socket unit needs ListenStream, and no Accept=yes")
)

// open reports whether there is such a descriptor.
func open(fd int) bool {
	_, err := acceptsConnections(fd)
	return !errors.Is(err, syscall.EBADF)
}

func acceptsConnections(fd int) (bool, error) {
	yes, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return yes != 0, err
}

// listener makes a listener of a descriptor. If it fails, the descriptor stays as it is: it
// may belong to something else.
func listener(fd int) (net.Listener, error) {
	if listening, err := acceptsConnections(fd); err != nil || !listening {
		return nil, errNoListener
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

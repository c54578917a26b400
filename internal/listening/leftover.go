//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package listening

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coppice-go/coppice/child"
)

// settle is how long a socket must refuse connections to count as a leftover. A server
// that is starting has bound its socket, but does not listen yet.
const settle = time.Second

// removeLeftover removes the unix socket that a killed process has left at path. It is
// called when listening there has failed with the error failed. It returns nil if listening
// should be retried, and otherwise the reason not to.
func removeLeftover(ctx context.Context, network, path string, failed error) error {
	if !errors.Is(failed, syscall.EADDRINUSE) || !strings.HasPrefix(network, "unix") {
		return failed
	}
	if strings.HasPrefix(path, "@") { // an abstract socket ends with its process
		return failed
	}
	l := leftover{network: network, path: path}
	for began := time.Now(); ; {
		err := l.remove(ctx)
		switch unsure := errors.Is(err, errYoung) || errors.Is(err, errLocked); {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errInUse):
			return failed
		case !unsure || time.Since(began) > 2*settle:
			return errors.Join(failed, err)
		}
		child.Sleep(ctx, 10*time.Millisecond)
	}
}

var (
	errInUse  = errors.New("the socket is in use")
	errYoung  = errors.New("the socket may belong to a server that is starting")
	errLocked = errors.New("the directory of the socket is locked by another process")
)

// A leftover is a socket file that a killed process may have left.
type leftover struct {
	network, path string
	seen          fs.FileInfo // the file that is being watched
	since         time.Time
}

// remove removes the socket if no process serves it. It returns nil if the path is free
// afterwards.
//
// Two processes that start at the same time both find the leftover. The second one must
// not remove the new socket of the first. So both check and remove under a lock on the
// directory, and the new socket is too young to be removed.
func (l *leftover) remove(ctx context.Context) error {
	dir, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	defer dir.Close() // releases the lock
	switch err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return errLocked
	case err != nil:
		return &fs.PathError{Op: "flock", Path: dir.Name(), Err: err}
	}
	info, err := os.Lstat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // its owner, or another process, has just removed it
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errInUse
	}
	conn, err := new(net.Dialer).DialContext(ctx, l.network, l.path)
	switch {
	case err == nil:
		_ = conn.Close()
		return errInUse
	case !errors.Is(err, syscall.ECONNREFUSED):
		return errInUse
	case !l.settled(info):
		return errYoung
	}
	// os.Remove would also remove an empty directory.
	if err := syscall.Unlink(l.path); err != nil {
		return &fs.PathError{Op: "unlink", Path: l.path, Err: err}
	}
	return nil
}

// settled reports whether the socket has refused connections for long enough: its
// modification time is old enough, or, since clocks may be set back, it has been watched
// for that long.
func (l *leftover) settled(info fs.FileInfo) bool {
	if time.Since(info.ModTime()) >= settle {
		return true
	}
	if l.seen == nil || !os.SameFile(l.seen, info) || !l.seen.ModTime().Equal(info.ModTime()) {
		l.seen, l.since = info, time.Now()
	}
	return time.Since(l.since) >= settle
}

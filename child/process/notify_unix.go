//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/runkey"
)

// A socket is the NOTIFY_SOCKET of one program. It is in a directory that only the user of
// the program can enter.
type socket struct {
	dir  string
	conn *net.UnixConn
}

func listen() (*socket, error) {
	dir, err := os.MkdirTemp("", "notify-")
	if err != nil {
		return nil, err
	}
	s := &socket{dir: dir}
	s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: s.path()})
	if err != nil {
		_ = os.RemoveAll(dir)
		if len(s.path()) > 100 {
			err = fmt.Errorf("%w (the path is too long for a socket: set TMPDIR to a shorter one)", err)
		}
		return nil, err
	}
	return s, nil
}

func (s *socket) path() string { return filepath.Join(s.dir, "socket") }

func (s *socket) environment(ctx child.Context) []string {
	env := []string{"NOTIFY_SOCKET=" + s.path()}
	if period, _ := ctx.Value(runkey.Heartbeat{}).(time.Duration); period > 0 {
		env = append(env, fmt.Sprintf("WATCHDOG_USEC=%d", period.Microseconds()))
	}
	return env
}

// allow gives the socket to the user that the program will run as.
func (s *socket) allow(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil || cmd.SysProcAttr.Credential == nil {
		return nil
	}
	as := cmd.SysProcAttr.Credential
	return errors.Join(os.Chown(s.path(), int(as.Uid), int(as.Gid)), os.Chown(s.dir, int(as.Uid), int(as.Gid)))
}

// read reads messages until the socket is closed. A descriptor that comes with one, as
// sd_notify_barrier sends it, is closed by the kernel, which is all that a barrier needs.
func (s *socket) read(ctx child.Context, r *readiness) {
	buf := make([]byte, 4096) // as much as systemd accepts
	for {
		n, _, err := s.conn.ReadFromUnix(buf)
		if err != nil { // it was closed
			return
		}
		for message := range strings.SplitSeq(string(buf[:n]), "\n") {
			switch name, value, _ := strings.Cut(message, "="); {
			case message == "READY=1":
				r.set()
			case message == "WATCHDOG=1":
				ctx.Heartbeat()
			case name == "STATUS":
				r.say(oneline.Text(value))
			}
		}
	}
}

// say passes a text on. If the last one has not been taken, it is replaced.
func (r *readiness) say(text string) {
	for {
		select {
		case r.said <- text:
			return
		default:
		}
		select {
		case <-r.said:
		default:
		}
	}
}

func (s *socket) close() {
	_ = s.conn.Close()
	_ = os.RemoveAll(s.dir)
}

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package process

import (
	"errors"
	"os/exec"

	"github.com/coppice-go/coppice/child"
)

type socket struct{}

func listen() (*socket, error) {
	return nil, errors.New("process: this system has no NOTIFY_SOCKET: use Line or Addr of Ready instead of Notify")
}

func (*socket) environment(child.Context) []string { return nil }
func (*socket) allow(*exec.Cmd) error              { return nil }
func (*socket) read(child.Context, *readiness)     {}
func (*socket) close()                             {}

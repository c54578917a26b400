//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisortest"
)

// supervisortest.Check tests what every child must do.
func TestProcessKeepsTheContractOfAChild(t *testing.T) {
	for name, ready := range map[string]process.Ready{"at once": {}, "by a line": {Line: "up"}} {
		t.Run(name, func(t *testing.T) {
			supervisortest.Check(t, func() child.Runnable {
				return process.New(process.Spec{Command: shell("echo up; exec sleep 1000"), Ready: ready, Logger: quiet})
			})
		})
	}
}

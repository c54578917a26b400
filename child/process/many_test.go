//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestTwoHundredProgramsAtOnce(t *testing.T) {
	const programs = 200
	m := newMark(t)
	var specs []child.Spec
	for i := range programs {
		p := process.New(process.Spec{
			Command: m.on(shell("sleep 1000 & echo up; wait")), Ready: process.Ready{Line: "up"}, Logger: quiet,
		})
		specs = append(specs, child.Spec{Name: fmt.Sprint("program-", i), Run: p.Run, StopTimeout: time.Minute, Restart: child.Temporary})
	}
	root := supervisor.New(supervisor.Spec{Logger: quiet, Strategy: strategy.Independent, Children: specs})
	require.NoError(t, root.Start(soon(t)))
	require.Equal(t, programs, root.Count().Active)
	require.NoError(t, root.Stop(soon(t)))
	m.requireNobody(t)
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

// playParent runs a script under supervision, with the descriptor 3 that it has itself, and
// says there that it is ready. The second argument says whether there is a guard.
func playParent() {
	up := os.NewFile(3, "mark")
	p := process.New(process.Spec{
		Command: func(ctx child.Context) (*exec.Cmd, error) {
			cmd, err := shell(os.Args[1])(ctx)
			cmd.ExtraFiles = []*os.File{up}
			return cmd, err
		},
		Ready:   process.Ready{Line: "up"},
		Logger:  quiet,
		NoGuard: os.Args[2] == "alone",
	})
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "program", Run: p.Run}}})
	if err := root.Start(context.Background()); err != nil {
		panic(err)
	}
	fmt.Fprintln(up, "ready")
	select {}
}

// killParent starts a parent, kills it once its program is ready, and waits until nobody is
// left.
func killParent(t *testing.T, script, guard string) {
	m := newMark(t)
	parent := player("parent", script, guard)
	parent.ExtraFiles = []*os.File{m.write}
	require.NoError(t, parent.Start())
	require.Equal(t, "ready", m.said(t))
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	m.requireNobody(t)
}

func TestNothingIsLeftOfTheGroupIfTheParentIsKilled(t *testing.T) {
	killParent(t, "trap '' TERM HUP INT QUIT; (sleep 1000; echo never) & sleep 1000 & echo up; wait", "guarded")
}

func TestTheProgramIsKilledIfTheParentIsKilledWithoutAGuard(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
		t.Skip("this system does not tie a program to its parent")
	}
	killParent(t, "trap '' TERM HUP INT QUIT; echo up; exec sleep 1000", "alone")
}

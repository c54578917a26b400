//go:build unix

package gate_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

const pauseTTL = time.Second

// A process that was stopped for longer than the term, by SIGSTOP, finds out when it wakes
// up, and ends.
func TestAProcessThatWasPausedBeyondItsTermCrashes(t *testing.T) {
	if os.Getenv("GATE_PAUSES") != "" {
		beLeader()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestAProcessThatWasPausedBeyondItsTermCrashes$")
	cmd.Env = append(os.Environ(), "GATE_PAUSES=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	errOut, err := cmd.StderrPipe()
	require.NoError(t, err)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "leads\n", line)
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	<-time.After(2 * pauseTTL) // nothing else tells that the term has passed
	woken := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	text, err := io.ReadAll(errOut)
	require.NoError(t, err)
	var exit *exec.ExitError
	require.True(t, errors.As(cmd.Wait(), &exit))
	require.Equal(t, 2, exit.ExitCode(), "%s", text)
	require.Contains(t, string(text), "panic: /shop/billing: the lease with token 1 has ended, and this has not stopped: /root/billing/guarded\n")
	require.Less(t, time.Since(woken), 10*time.Second)
}

// beLeader leads until the process ends.
func beLeader() {
	go func() { // its parent has ended
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	g := gate.New(gate.Spec{Name: name, Elector: gatetest.NewEngine().Member("a", pauseTTL), Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		fmt.Println("leads")
		select {} // it would not stop in time anyway
	}})
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "billing", Run: g.Run}}})
	if err := root.Start(context.Background()); err != nil {
		panic(err)
	}
	_ = root.Wait()
}

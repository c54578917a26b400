package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
)

// command makes the command of a run, ready to be started except for its output.
func (p *Process) command(ctx child.Context) (*exec.Cmd, error) {
	cmd, err := p.spec.Command(ctx)
	switch {
	case err != nil:
		return nil, err
	case cmd == nil:
		return nil, errors.New("process: Spec.Command returned nil")
	case cmd.Process != nil:
		return nil, errors.New("process: Spec.Command returned an exec.Cmd that was started before: each run needs a new one")
	}
	for name, stream := range map[string]any{"Stdin": cmd.Stdin, "Stdout": cmd.Stdout, "Stderr": cmd.Stderr} {
		if _, isFile := stream.(*os.File); stream != nil && !isFile {
			return nil, fmt.Errorf("process: %s of the command is a %T: use an *os.File, or for stdin StdinPipe", name, stream)
		}
	}
	if p.spec.Ready.Line != "" && cmd.Stdout != nil && cmd.Stderr != nil {
		return nil, errors.New("process: Spec.Ready.Line needs the output, but Stdout and Stderr of the command are set: leave one nil")
	}
	if cmd.Cancel != nil { // made by exec.CommandContext
		cmd.Cancel = func() error { return os.ErrProcessDone }
	}
	cmd.WaitDelay = 0
	cmd.Env = ownEnvironment(cmd.Environ())
	return cmd, leadGroup(cmd)
}

// ownEnvironment leaves out what systemd has addressed to this process.
func ownEnvironment(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC" || name == "WATCHDOG_PID"
	})
}

func (p *Process) logger() *slog.Logger {
	if p.spec.Logger != nil {
		return p.spec.Logger
	}
	return slog.Default()
}

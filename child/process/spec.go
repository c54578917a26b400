package process

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/coppice-go/coppice/child"
)

// A Spec declares a program. Only Command is required.
type Spec struct {
	// Command makes the command of a run. It is called once per run, because an exec.Cmd
	// cannot be used again.
	//
	// Use exec.Command. With exec.CommandContext, the context is ignored, as are Cancel
	// and WaitDelay: the program is stopped as the package documentation says.
	//
	// If Stdin is nil, the program reads from the null device. If Stdout or Stderr is
	// nil, its lines go to Logger. Otherwise each of them must be an *os.File, which the
	// program gets as it is: Ready.Line does not see that output, and neither does an
	// ExitError. To write to the program, use the StdinPipe of the command. To close a file
	// that Command has opened for a run, use context.AfterFunc: ctx ends when Run returns.
	//
	// The program gets the environment of the command, without NOTIFY_SOCKET,
	// WATCHDOG_USEC and WATCHDOG_PID, which are addressed to this process. SysProcAttr
	// may say more, but must not set Pgid.
	Command func(ctx child.Context) (*exec.Cmd, error)

	// Ready determines when the program is ready. The zero value means at once, as soon
	// as it has been started.
	Ready Ready

	// Signal asks the program to stop. Nil means SIGTERM. SIGCONT follows, so that a
	// stopped program (SIGSTOP) receives it too. A program that then exits with status 0,
	// dies of the signal, or exits with 128 plus the number of the signal, has stopped
	// cleanly. On Windows it has no effect.
	Signal os.Signal

	// Logger receives the output of the program: a record for each line, with the
	// attributes path and pid, at level info for stdout and at level warn for stderr. Nil
	// means slog.Default().
	//
	// Control characters and invalid UTF-8 are escaped. A line is logged when it is
	// complete, when it has more than 4096 bytes, or when the output ends. The rest of a longer line
	// is dropped, and a record says how much. While Logger is writing, the program may
	// have to wait until its output is read: nothing is queued. If Logger panics, the
	// child reports that with OnError, once per run, and goes on. If Logger blocks, the
	// program is still stopped in time, but the run does not end.
	Logger *slog.Logger

	// NoGuard leaves out the guard: see "If this process dies" in the package
	// documentation. It saves a process for each run. Set it for a program that starts no
	// others, on Linux and FreeBSD.
	NoGuard bool
}

// Ready determines when a program counts as ready. At most one of Line, Addr and Notify may
// be set. If none is, the program is ready as soon as it has been started.
//
// A program that ends before it is ready has failed to start, whatever its exit status.
type Ready struct {
	// Line makes the program ready when a line of its output contains this text. Both
	// stdout and stderr count, and the first 4096 bytes of a line. The line need not be
	// complete. Many programs buffer their output if it is not a terminal, and write
	// it later than one would think.
	Line string

	// Addr makes the program ready when this address accepts connections: each attempt
	// is closed at once. It may accept a moment before it serves, and before it handles
	// signals. If something else accepts connections there before the program
	// is started, and still does a second later, the start fails. So it does not fit a
	// program that is given a listener, or shares its port (SO_REUSEPORT).
	Addr string

	// Network is the network of Addr: "tcp", "tcp4", "tcp6", or for the path of a socket
	// "unix" or "unixpacket". Empty means "tcp".
	Network string

	// Notify gives the program a NOTIFY_SOCKET, as systemd does for Type=notify, and makes
	// it ready when it sends READY=1. Any process that may write to the socket counts,
	// so a script may use systemd-notify. Other messages:
	//
	//	STATUS=…     becomes a part of Status.Text
	//	WATCHDOG=1   is the heartbeat of the child
	//
	// If the child has a Heartbeat, WATCHDOG_USEC tells the program its length; without
	// Notify, such a child misses every heartbeat. All else is ignored.
	Notify bool
}

func (s *Spec) check() error {
	set := 0
	for _, is := range []bool{s.Ready.Line != "", s.Ready.Addr != "", s.Ready.Notify} {
		if is {
			set++
		}
	}
	sig, known := s.Signal.(syscall.Signal)
	switch {
	case s.Command == nil:
		return errors.New("process: Spec.Command is nil")
	case s.Signal != nil && !known:
		return fmt.Errorf("process: Spec.Signal is a %T: use a syscall.Signal or os.Interrupt", s.Signal)
	case known && sig <= 0:
		return fmt.Errorf("process: Spec.Signal is %d, which is no signal: leave it nil for SIGTERM", int(sig))
	case set > 1:
		return errors.New("process: Spec.Ready has more than one of Line, Addr and Notify: set one")
	case strings.Contains(s.Ready.Line, "\n"):
		return errors.New("process: Spec.Ready.Line has a line break, so no line contains it: remove it")
	case s.Ready.Network != "" && s.Ready.Addr == "":
		return errors.New("process: Spec.Ready has a Network but no Addr: set both")
	}
	return s.Ready.checkAddr()
}

// checkAddr reports an address that could never accept a connection.
func (of Ready) checkAddr() error {
	switch of.Network {
	case "", "tcp", "tcp4", "tcp6":
		if of.Addr == "" {
			return nil
		}
		if _, _, err := net.SplitHostPort(of.Addr); err != nil {
			return fmt.Errorf("process: Spec.Ready.Addr: %w", err)
		}
	case "unix", "unixpacket":
	default:
		return fmt.Errorf("process: Spec.Ready.Network is %q: use tcp, tcp4, tcp6, unix or unixpacket", of.Network)
	}
	return nil
}

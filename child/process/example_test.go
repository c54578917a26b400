//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

// A program is ready when it says so, and is stopped with all that it has started.
func Example() {
	cache := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			return exec.Command("sh", "-c", "sleep 1000 & echo the cache is up; wait"), nil
		},
		Ready:  process.Ready{Line: "is up"},
		Logger: slog.New(slog.DiscardHandler),
	})
	root := supervisor.New(supervisor.Spec{
		Backoff:  child.Exponential(100*time.Millisecond, 30*time.Second),
		Children: []child.Spec{{Name: "cache", Run: cache.Run, StartTimeout: 5 * time.Second, StopTimeout: 10 * time.Second}},
	})
	fmt.Println(root.Start(context.Background()))
	now, running := cache.Current.Load()
	fmt.Println(running, now.PID > 0)
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// <nil>
	// true true
	// <nil>
}

// The output of a program goes to Logger. Signal is what asks it to stop. It starts no
// others, so it needs no guard.
func ExampleSpec() {
	plain := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "pid" {
				return slog.Attr{}
			}
			return a
		},
	}))
	p := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			cmd := exec.Command("sh", "-c", "trap 'echo $NAME ends; exit 0' INT; echo up; while :; do sleep 0.01; done")
			cmd.Env = append(os.Environ(), "NAME=example")
			return cmd, nil
		},
		Ready:   process.Ready{Line: "up"},
		Signal:  os.Interrupt,
		Logger:  plain,
		NoGuard: true,
	})
	root := supervisor.New(supervisor.Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "p", Run: p.Run}}})
	fmt.Println(root.Start(context.Background()))
	fmt.Println(root.Stop(context.Background()))
	// Unordered output:
	// level=INFO msg=up path=/root/p
	// <nil>
	// level=INFO msg="example ends" path=/root/p
	// <nil>
}

// A server is ready when it accepts connections, here on a unix socket.
func ExampleReady() {
	dir, err := os.MkdirTemp("", "redis-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "socket")
	redis := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			return exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir), nil
		},
		Ready: process.Ready{Network: "unix", Addr: socket},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "redis", Run: redis.Run, StartTimeout: 10 * time.Second}}})
	fmt.Println(root.Start(context.Background()))
	fmt.Println(root.Stop(context.Background()))
}

// A program that is made for systemd says when it is ready, and what it does.
func ExampleReady_notify() {
	redis := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			return exec.Command("redis-server", "--port", "0", "--save", "", "--supervised", "systemd"), nil
		},
		Ready: process.Ready{Notify: true},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "redis", Run: redis.Run, StartTimeout: 10 * time.Second}}})
	fmt.Println(root.Start(context.Background()))
	fmt.Println(root.Stop(context.Background()))
}

// Many programs read their configuration again on SIGHUP.
func ExampleInstance_Signal() {
	said := make(chan string, 1)
	p := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			return exec.Command("sh", "-c", "trap 'echo reloaded' HUP; echo up; while :; do sleep 0.01; done"), nil
		},
		Ready: process.Ready{Line: "up"},
		Logger: slog.New(slog.NewTextHandler(writer(func(line []byte) { said <- string(line) }), &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.MessageKey {
					return a
				}
				return slog.Attr{}
			},
		})),
	})
	root := supervisor.New(supervisor.Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "p", Run: p.Run}}})
	fmt.Println(root.Start(context.Background()))
	fmt.Print(<-said)
	now, err := p.Current.Get(context.Background())
	if err == nil {
		err = now.Signal(syscall.SIGHUP)
	}
	fmt.Println(err)
	fmt.Print(<-said)
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// <nil>
	// msg=up
	// <nil>
	// msg=reloaded
	// <nil>
}

type writer func(line []byte)

func (w writer) Write(line []byte) (int, error) {
	w(line)
	return len(line), nil
}

// The error of a run says how the program ended, and what it last wrote to stderr.
func ExampleExitError() {
	p := process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			return exec.Command("sh", "-c", "echo no such disk: /dev/sdz >&2; exit 3"), nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	err := p.Run(child.FromContext(context.Background()))
	var ended *process.ExitError
	if errors.As(err, &ended) {
		fmt.Println(ended.Code, ended.Last)
	}
	// Output:
	// 3 [no such disk: /dev/sdz]
}

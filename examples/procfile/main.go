// Procfile runs the processes of a Procfile under supervision. What fails is restarted, with
// growing delays. Ctrl-C stops all in reverse order, each with everything that it has
// started. A page in the browser shows what is running, and why something is not.
//
//	go run ./examples/procfile [-page localhost:6060] [-port 5000] [Procfile]
//
// A line of a Procfile is NAME: COMMAND, for the shell. Empty lines and lines that begin
// with # are skipped. The first process gets PORT=5000 in its environment, the next one
// PORT=5100 and so on.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func main() {
	page := flag.String("page", "localhost:6060", "address of the page")
	port := flag.Int("port", 5000, "PORT of the first process")
	flag.Parse()
	name := "Procfile"
	if flag.NArg() > 0 {
		name = flag.Arg(0)
	}
	file, err := os.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	entries, err := parse(file)
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	ln, err := net.Listen("tcp", *page)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	if err := run(ctx, entries, *port, ln, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run runs the processes until ctx ends.
func run(ctx context.Context, entries []entry, port int, ln net.Listener, out io.Writer) error {
	console := newConsole(out, entries)
	fmt.Fprintf(out, "the page: http://%s/\n", ln.Addr())
	specs := []child.Spec{{Name: ".page", Run: newPage(ln).Run}} // no process has a dot in its name
	for i, e := range entries {
		p := process.New(process.Spec{Command: e.command(port + 100*i), Logger: slog.New(console.of(i))})
		specs = append(specs, child.Spec{Name: e.name, Run: p.Run, StopTimeout: 10 * time.Second})
	}
	return supervisor.New(supervisor.Spec{
		Name:     "procfile",
		Logger:   slog.New(console.of(-1)),
		Backoff:  child.Exponential(200*time.Millisecond, 10*time.Second),
		Around:   observer.Label,
		Children: specs,
	}).Serve(ctx)
}

// command returns a factory of the commands of one process.
func (e entry) command(port int) func(child.Context) (*exec.Cmd, error) {
	return func(child.Context) (*exec.Cmd, error) {
		cmd := exec.Command("/bin/sh", "-c", e.line)
		cmd.Env = append(os.Environ(), fmt.Sprint("PORT=", port))
		return cmd, nil
	}
}

// newPage makes the child that serves the page. Its buttons restart, stop and start.
func newPage(ln net.Listener) *httpserver.Server {
	return httpserver.New(httpserver.Spec{Listener: ln, Server: func(ctx child.Context) (*http.Server, error) {
		page := observer.New(ctx, observer.Spec{Act: func(*http.Request, observer.Action, string) bool { return true }})
		return &http.Server{Handler: page, ReadHeaderTimeout: 5 * time.Second}, nil
	}})
}

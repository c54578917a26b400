package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// echo hijacks its connection and sends back each line.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, lines, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close() // the server no longer tracks the connection

	// A read cannot wait for a channel, so a deadline unblocks it when the server stops.
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-httpserver.Stopping(r.Context()):
			conn.SetReadDeadline(time.Now())
			conn.SetWriteDeadline(time.Now().Add(time.Second)) // for a client that does not read
		case <-done:
		}
	})
	defer watcher.Wait()
	defer close(done)

	fmt.Fprint(lines, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	for lines.Flush() == nil {
		line, err := lines.ReadString('\n')
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			fmt.Fprintln(lines, "bye")
			lines.Flush()
			return
		case err != nil:
			return
		}
		lines.WriteString(line)
	}
}

// The handler of a hijacked connection, such as a websocket, must end it on Stopping.
func ExampleStopping_hijacked() {
	api := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: "127.0.0.1:0", Handler: http.HandlerFunc(echo)}, nil
	}})
	root := supervisor.New(supervisor.Spec{
		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
	})
	if err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	addr, _ := api.Addr.Load()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	answers := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(answers, nil); err == nil {
		fmt.Println(resp.Status)
	}
	fmt.Fprintln(conn, "hello")
	line, _ := answers.ReadString('\n')
	fmt.Print(line)

	fmt.Println("stopped:", root.Stop(context.Background()))
	rest, err := io.ReadAll(answers)
	fmt.Printf("%q %v\n", rest, err)
	// Output:
	// 101 Switching Protocols
	// hello
	// stopped: <nil>
	// "bye\n" <nil>
}

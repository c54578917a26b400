package sdnotify_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/sdnotify"
)

// A socket plays the part of systemd and prints READY=1 and the like.
func systemd(socket *net.UnixConn, received chan<- string) {
	defer close(received)
	message := make([]byte, 4096)
	for {
		n, err := socket.Read(message)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(message[:n]) + "\n") {
			if key, _, _ := strings.Cut(line, "="); key == "READY" || key == "STOPPING" || key == "RELOADING" {
				received <- strings.TrimSpace(line)
			}
		}
	}
}

// In a program, only the line with Watch is needed.
func Example() {
	dir, err := os.MkdirTemp("", "sdnotify")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	address := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		fmt.Println(err)
		return
	}
	received := make(chan string)
	go systemd(socket, received)
	os.Setenv("NOTIFY_SOCKET", address)

	api := func(ctx child.Context) error {
		fmt.Println("set up")
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "api", Run: api}}})
	stop := sdnotify.Watch(root)
	if err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-received)

	done := sdnotify.Reloading() // on SIGHUP
	fmt.Println(<-received)
	done()
	fmt.Println(<-received)

	go func() { _ = root.Stop(context.Background()) }()
	fmt.Println(<-received)
	stop()
	socket.Close()
	<-received
	// Output:
	// set up
	// READY=1
	// RELOADING=1
	// READY=1
	// STOPPING=1
}

// Without systemd there are no sockets, and the server listens on its Addr.
func ExampleListeners() {
	sockets, err := sdnotify.Listeners()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(sockets), sockets["api"]) // for httpserver.Spec.Listener
	// Output: 0 <nil>
}

package recipes_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// echo serves one connection. It closes the connection when it returns and when it is
// asked to stop, because Read takes no context.
func echo(conn net.Conn) func(context.Context) error {
	return func(ctx context.Context) error {
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		_, err := io.Copy(conn, conn)
		return err
	}
}

// Each connection is a child: a panic ends only that connection, and the log has its name.
// On a stop, the acceptor stops first, then all connections concurrently.
func Example_connectionPerChild() {
	var addr child.Ref[net.Addr]
	conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, MaxChildren: 10_000})
	acceptor := func(ctx child.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		defer context.AfterFunc(ctx, func() { ln.Close() })()
		addr.Set(ctx, ln.Addr())
		if err := ctx.Ready(); err != nil {
			return err
		}
		for {
			conn, err := ln.Accept()
			if err != nil {
				return err
			}
			spec := child.Spec{Name: child.UniqueName("conn"), Run: child.Plain(echo(conn)), Restart: child.Temporary}
			if err := conns.StartChild(ctx, spec); err != nil { // MaxChildren, or the tree is stopping
				ctx.OnError(err)
				conn.Close()
			}
		}
	}
	root := supervisor.New(supervisor.Spec{
		Children: []child.Spec{{Name: "conns", Run: conns.Run}, {Name: "acceptor", Run: acceptor}},
	})
	_ = root.Start(context.Background())

	at, _ := addr.Get(context.Background())
	client, err := net.Dial(at.Network(), at.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprintln(client, "hello")
	line, _ := bufio.NewReader(client).ReadString('\n')
	fmt.Print(line)
	fmt.Println(conns.Count().Active, "connection")
	fmt.Println(root.Stop(context.Background())) // with the connection open
	// Output:
	// hello
	// 1 connection
	// <nil>
}

// Coppice shows and steers a running supervision tree from a terminal.
//
// It talks to the HTTP handler of package observer, at the URL of its page:
//
//	coppice tree http://localhost:6060        # what runs, and how it is
//	coppice top http://localhost:6060         # what is wrong, worst first
//	coppice why http://localhost:6060 /shop/db
//	coppice watch unix:/run/shop.sock
//
// "coppice help" lists the commands, and "coppice help COMMAND" explains one. Install it
// with
//
//	go install github.com/coppice-go/coppice/cmd/coppice@latest
//
// # URLs
//
// The URL is that of the page. If it has no path, the path is /debug/coppice/; a page at
// the root of a server is http://localhost:6060/. A Unix socket is unix:/run/shop.sock,
// and unix:/run/shop.sock:/prefix/ for a page at another path. If the environment
// variable COPPICE_URL holds the URL, commands may leave it out.
//
// # Exit status
//
//	0  well, or done as asked
//	1  something is not well: a child is in trouble, or there is no such child
//	2  usage: the command line is wrong, or asks for a moment that is not remembered
//	3  no answer: the server cannot be reached, does not answer in time, or answers what
//	   cannot be read; or the output cannot be written
//	4  refused: the server does not permit it, or the child has another run by now
package main

import (
	"context"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

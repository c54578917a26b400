// Demo serves the page of a shop in trouble on localhost, until it is interrupted:
//
//	go run ./demo -sessions 100000
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor/observer"
	"github.com/coppice-go/coppice/supervisor/observer/browsertest/shop"
)

func main() {
	addr := flag.String("addr", "localhost:6060", "address to serve the page on")
	sessions := flag.Int("sessions", 100_000, "number of sessions; one in 25 fails")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, *addr, *sessions); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr string, sessions int) error {
	debug := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		mux := http.NewServeMux()
		mux.Handle("/debug/coppice/", http.StripPrefix("/debug/coppice", observer.New(ctx, observer.Spec{
			Act: func(*http.Request, observer.Action, string) bool { return true }, // a demo, on loopback
		})))
		ctx.Status("serves this page on " + addr)
		return &http.Server{Addr: addr, Handler: mux}, nil
	}})
	s := shop.New(child.Spec{Name: "debug", Run: debug.Run})
	if err := s.Root.Start(ctx); err != nil {
		return err
	}
	fmt.Printf("http://%s/debug/coppice/\n", addr)
	if err := s.Trouble(ctx, sessions); err != nil {
		log.Print(err)
	}
	err := s.Root.Wait()
	s.Free()
	return err
}

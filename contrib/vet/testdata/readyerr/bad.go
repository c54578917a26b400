package readyerr

import (
	"context"
	"log"

	"github.com/coppice-go/coppice/child"
)

func ignores(ctx child.Context) error {
	ctx.Ready() // want "error of ctx.Ready is ignored"
	<-ctx.Done()
	return nil
}

func defers(ctx child.Context) error {
	defer ctx.Ready() // want "error of ctx.Ready is ignored"
	go ctx.Ready()    // want "error of ctx.Ready is ignored"
	return nil
}

func logs(ctx child.Context) error {
	if err := ctx.Ready(); err != nil { // want "error of ctx.Ready is ignored"
		log.Println(err)
	}
	<-ctx.Done()
	return nil
}

func derived(ctx context.Context) {
	child.FromContext(ctx).Ready() // want "error of ctx.Ready is ignored"
}

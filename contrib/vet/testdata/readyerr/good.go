package readyerr

import (
	"context"
	"errors"
	"log"

	"github.com/coppice-go/coppice/child"
)

func returns(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		log.Println(err)
		return err
	}
	<-ctx.Done()
	return nil
}

func onPurpose(ctx child.Context) error {
	defer func() { _ = ctx.Ready() }()
	return nil
}

func recovers(ctx child.Context) (err error) {
	if ready := ctx.Ready(); ready != nil {
		err = errors.Join(err, ready)
	}
	return err
}

func loop(ctx child.Context) error {
	for {
		if err := ctx.Ready(); err != nil {
			break
		}
		if err := ctx.Ready(); err == nil {
			log.Println("ready")
		}
		if err := ctx.Ready(); err != nil {
			panic(err)
		}
	}
	return ctx.Ready()
}

// Other types have a Ready, too.
type other struct{}

func (other) Ready() error { return nil }

func unrelated(ctx context.Context) {
	other{}.Ready()
	defer other{}.Ready()
}

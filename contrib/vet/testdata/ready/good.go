package ready

import (
	"context"
	"errors"
	"time"

	"github.com/coppice-go/coppice/child"
)

type server struct{}

func (s *server) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// A function that gets ctx may call Ready.
type delegate struct{ inner child.Runnable }

func (d *delegate) Run(ctx child.Context) error {
	defer time.Sleep(0)
	for {
		if err := d.inner.Run(ctx); err != nil {
			return err
		}
	}
}

func viaPlainContext(ctx child.Context) error {
	if err := begin(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func begin(ctx context.Context) error { return child.FromContext(ctx).Ready() }

func later(ctx child.Context) error {
	ready := ctx.Ready
	go func() { _ = ready() }()
	<-ctx.Done()
	return nil
}

type kept struct{ ctx child.Context }

func (k *kept) Run(ctx child.Context) error {
	k.ctx = ctx
	<-ctx.Done()
	return nil
}

func (k *kept) Ready() error { return k.ctx.Ready() }

// A start that fails needs no Ready.
func fails(child.Context) error { return errors.New("no database") }

func declines(ctx child.Context) error {
	for {
		if ctx.Restarts() > 3 {
			return child.ErrIgnore
		}
		if child.Sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// Work that ends may be a task: nil before Ready is its success.
func waitForFile(ctx child.Context) error {
	for !child.Sleep(ctx, time.Second) {
		if exists() {
			return nil
		}
	}
	return ctx.Err()
}

// Work that is tried until it succeeds ends, too.
func tries(ctx child.Context) error {
	for {
		if err := begin(context.Background()); err == nil || ctx.Restarts() > 3 {
			return err
		}
		if child.Sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

func waitForJob(ctx child.Context) error {
	done := make(chan error, 1)
	go func() { done <- begin(context.Background()) }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-done:
		return err
	}
}

var good = []child.Spec{
	{Run: tries},
	{Run: waitForJob},
	{Run: (&server{}).Run},
	{Run: viaPlainContext},
	{Run: later},
	{Run: fails},
	{Run: declines},
	{Run: waitForFile},
	{Run: child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })},
}

// This is no Run: nothing uses it as one.
func helper(ctx child.Context) error {
	<-ctx.Done()
	return nil
}

func uses(ctx child.Context) error { return helper(ctx) }

func exists() bool { return true }

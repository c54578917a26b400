package testkit

import "github.com/coppice-go/coppice/child"

// Idle is a child that is ready at once and does nothing until it is asked to stop.
func Idle(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

package context

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/internal/seal"
)

// standInGrace is nine tenths of the default stop timeout, as under a supervisor.
const standInGrace = 4500 * time.Millisecond

// standIn is the Context of a Run that no supervisor runs.
type standIn struct {
	seal.Seal
	context.Context
}

func (s standIn) Ready() error {
	if s.Err() != nil {
		return context.Cause(s.Context)
	}
	return nil
}

func (standIn) Unready(error)      {}
func (standIn) OnError(error)      {}
func (s standIn) ShouldHalt() bool { return s.Err() != nil }
func (standIn) Heartbeat()         {}
func (standIn) Path() string       { return "" }
func (standIn) Restarts() int      { return 0 }

// Grace has no end of Run to go by: a stand-in is not told when Run returns.
func (s standIn) Grace() context.Context {
	grace, cancel := context.WithCancelCause(context.WithoutCancel(s.Context))
	context.AfterFunc(s.Context, func() {
		time.AfterFunc(standInGrace, func() { cancel(context.DeadlineExceeded) })
	})
	return grace
}

package supervisor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A trap is an error whose Unwrap panics once it is armed.
type trap struct{ armed atomic.Bool }

func (*trap) Error() string { return "trap" }

func (e *trap) Unwrap() error {
	if e.armed.Load() {
		panic("Unwrap")
	}
	return nil
}

// An event is completed on its way to the subscriber, which unwraps its error.
func TestErrorWhoseUnwrapPanicsLosesNoEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, broken, goOn := newPuppet(), new(trap), make(chan struct{})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run}}})
		var got []error
		defer sup.Subscribe(func(e supervisor.Event) {
			<-goOn
			got = append(got, e.Err)
		}, supervisor.EventFailed)()
		p.end(errBoom) // the subscriber is busy with this one
		p.end(broken)
		broken.armed.Store(true)
		close(goOn)
		synctest.Wait()
		require.Equal(t, []error{errBoom, broken}, got)
		require.NoError(t, sup.Stop(context.Background()))
	})
}

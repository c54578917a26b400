package testkit

import (
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// Events returns a channel of the events of some kinds, or of the kinds that Subscribe has by
// default. It holds a thousand.
func Events(t testing.TB, sup *supervisor.Supervisor, kinds ...supervisor.EventKind) <-chan supervisor.Event {
	c := make(chan supervisor.Event, 1000)
	t.Cleanup(sup.Subscribe(func(e supervisor.Event) { c <- e }, kinds...))
	return c
}

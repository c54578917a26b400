package registry

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// Register has looked up the loops before, and has not yet told this one of the entry.
func TestAnEntryIsAddedAtTheMomentWhenALoopEnds(t *testing.T) {
	var r Registry[string, int]
	ctx := child.FromContext(context.Background())
	var ended *watcher[string, int]
	for range r.Watch(whenAsked(func() { ended = r.table().watchers.all()[0] })) {
		t.Fatal("nothing is registered")
	}
	require.NoError(t, r.Register(ctx, "a", 1))
	e := r.table().load("a")[0]
	ended.added("a", e)
	ended.ended(e)
	ended.prune()
	s, _ := ended.next()
	require.Nil(t, s)
}

// whenAsked returns a context that has ended. It calls f when it is asked.
func whenAsked(f func()) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return &asked{ctx, f}
}

type asked struct {
	context.Context
	f func()
}

func (a *asked) Err() error {
	a.f()
	return a.Context.Err()
}

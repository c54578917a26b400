package observer

import (
	"context"
	"runtime/pprof"

	"github.com/coppice-go/coppice/child"
)

// labelKey is the key of the pprof label of a child.
const labelKey = "coppice"

// Label is a supervisor.Spec.Around that gives the goroutine of each run, and those that
// it starts, the pprof label "coppice" with the path of the child. With it the observer
// shows the stacks of a child, and profiles can be read by child:
//
//	go tool pprof -tagfocus coppice=/shop/api cpu.out
//
// The ctx of the run carries the label too, so that pprof.Do inside of it keeps it. To
// use it with another Around, see supervisor.Arounds.
func Label(ctx child.Context, run func(child.Context) error) (err error) {
	pprof.Do(ctx, pprof.Labels(labelKey, ctx.Path()), func(labeled context.Context) {
		err = run(child.FromContext(labeled))
	})
	return err
}

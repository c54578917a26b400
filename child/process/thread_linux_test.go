package process_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The kernel kills a program when the thread that has started it ends. Threads end with
// goroutines that are locked to them, and any thread may become one of those, in particular
// while programs are being started.
func TestAProgramOutlivesTheThreadsOfOthers(t *testing.T) {
	const programs = 50
	m := newMark(t)
	var specs []child.Spec
	for range programs {
		p := process.New(process.Spec{Command: m.on(shell("exec sleep 1000")), Logger: quiet})
		specs = append(specs, child.Spec{Name: child.UniqueName("program"), Run: p.Run, Restart: child.Temporary})
	}
	root := supervisor.New(supervisor.Spec{Logger: quiet, Strategy: strategy.Independent, Children: specs})
	failed := events(t, root, supervisor.EventFailed)
	ending, started := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ending)
		for {
			select {
			case <-started:
				return
			default:
				endThreads()
			}
		}
	}()
	require.NoError(t, root.Start(soon(t)))
	close(started)
	<-ending
	endThreads()
	require.Equal(t, programs, root.Count().Active)
	require.NoError(t, root.Stop(soon(t)))
	require.Empty(t, failed)
	m.requireNobody(t)
}

// endThreads ends the threads that run goroutines now.
func endThreads() {
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				runtime.LockOSThread() // and never unlocks
			}()
			<-done
		})
	}
	all.Wait()
}

package blackbox

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestTwoMillionEventsTakeBoundedDiskAndMemory(t *testing.T) {
	many := uint64(2_000_000)
	if raceDetector {
		many = 100_000
	}
	dir := t.TempDir()
	r := watchOn(shop(), Spec{Dir: dir, Logger: quiet}, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	e := supervisor.Event{Kind: supervisor.EventFailed, Path: "/shop/a", Err: errBoom, Stack: make([]byte, maxStack), Time: time.Now()}
	for n := range many {
		e.Seq, e.Restarts = n+1, int(n)
		r.record(e)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(4*maxLines))
	r.stop()
	size := int64(0)
	for _, name := range kept(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		size += info.Size()
	}
	require.LessOrEqual(t, size, int64(minSize/2+64<<10), "the other half is for dumps")
	require.Greater(t, size, int64(minSize/4))
	events, err := lives(t, dir)[0].Events(-1)
	require.NoError(t, err)
	suffix(t, events)
	require.Greater(t, len(events), 1000)
}

// What a black box costs a tree: a restart with one attached, with a subscriber that does
// nothing, and without either.
func BenchmarkRestart(b *testing.B) {
	for _, name := range []string{"alone", "subscriber", "blackbox"} {
		b.Run(name, func(b *testing.B) {
			a := newFragile()
			root := shop(child.Spec{Name: "a", Run: a.Run})
			switch name {
			case "subscriber":
				defer root.Subscribe(func(supervisor.Event) {})()
			case "blackbox":
				defer Watch(root, Spec{Dir: b.TempDir(), Logger: quiet})()
			}
			if err := root.Start(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				a.fail <- errBoom
			}
			b.StopTimer()
			_ = root.Stop(context.Background())
		})
	}
}

// What recording an event takes of a processor, beside the tree.
func BenchmarkRecord(b *testing.B) {
	r := newRecorder(shop(), Spec{Dir: b.TempDir(), Keep: 1, MaxSize: defaultMaxSize, Logger: quiet})
	r.start(r.record)
	e := supervisor.Event{Kind: supervisor.EventFailed, Path: "/shop/a", Err: errBoom, Time: time.Now(), Run: 17, Restarts: 3, Ready: true}
	b.ReportAllocs()
	for b.Loop() {
		e.Seq++
		r.record(e)
	}
	b.StopTimer()
	r.stop()
}

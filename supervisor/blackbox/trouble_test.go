package blackbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

var errNoSpace = errors.New("no space left on device")

// A disk fails on demand, after it has written a part.
type disk struct {
	full   atomic.Bool
	failed atomic.Int64
}

func (d *disk) write(f *os.File, b []byte) (int, error) {
	if d.full.Load() {
		d.failed.Add(1)
		n, _ := f.Write(b[:len(b)/2])
		return n, errNoSpace
	}
	return f.Write(b)
}

// A box is a recorder in a test, with the events that it has recorded.
type box struct {
	*recorder
	events chan supervisor.Event
}

// watchOn is Watch with a disk of its own.
func watchOn(root *supervisor.Supervisor, spec Spec, write func(*os.File, []byte) (int, error)) *box {
	spec.Keep, spec.MaxSize = 5, minSize
	b := &box{newRecorder(root, spec), make(chan supervisor.Event, 20_000)}
	if write != nil {
		b.store.write = write
	}
	b.start(func(e supervisor.Event) {
		b.record(e)
		b.events <- e
	})
	if write == nil { // otherwise it may hang
		<-b.opened
	}
	return b
}

// await waits until an event has been recorded and the writer has had the line.
func (b *box) await(kind supervisor.EventKind) {
	for e := range b.events {
		if e.Kind == kind {
			break
		}
	}
	b.settle()
}

// settle waits until everything is written that was recorded.
func (b *box) settle() {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	ask(b.settles, b.kept, timer)
	ask(b.flushes, b.written, timer)
}

func TestAFullDiskIsOneWarningAndWritingResumes(t *testing.T) {
	dir := t.TempDir()
	var log logBuffer
	var d disk
	a := newFragile()
	root := shop(child.Spec{Name: "a", Run: a.Run})
	r := watchOn(root, Spec{Dir: dir, Logger: log.logger()}, d.write)
	require.NoError(t, root.Start(t.Context()))
	r.await(supervisor.EventReady)
	d.full.Store(true)
	for range 3 {
		a.fail <- errBoom
		r.await(supervisor.EventReady) // each is an attempt
	}
	require.GreaterOrEqual(t, d.failed.Load(), int64(3))
	d.full.Store(false)
	a.fail <- errBoom
	r.await(supervisor.EventReady)
	require.NoError(t, root.Stop(context.Background()))
	r.stop()

	require.Equal(t, 1, log.count("level=WARN"), log.String())
	require.Equal(t, 1, log.count("events are being lost"))
	require.Equal(t, 1, log.count("writes again"))
	l := lives(t, dir)[0]
	require.Equal(t, Clean, l.End)
	events, err := l.Events(-1)
	require.NoError(t, err)
	suffix(t, events)
	lost := uint64(0)
	for _, e := range events {
		lost += e.Lost
	}
	require.GreaterOrEqual(t, lost, uint64(9), "failed, restarting, starting, of three restarts")
	require.Contains(t, printed(t, dir, Options{}), "nothing could be written since")
	require.Contains(t, printed(t, dir, Options{}), "events before: not shown, removed or lost")
}

func TestAFlappingDiskIsOneWarningAnHour(t *testing.T) {
	var log logBuffer
	var d disk
	root := shop()
	r := watchOn(root, Spec{Dir: t.TempDir(), Logger: log.logger()}, d.write)
	for range 5 {
		d.full.Store(true)
		r.note(struct{}{})
		r.settle()
		d.full.Store(false)
		r.settle()
	}
	r.stop()
	require.Equal(t, 1, log.count("events are being lost"), log.String())
	require.Equal(t, 1, log.count("writes again"), log.String())
}

func TestADirectoryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	dir := filepath.Join(file, "shop")
	var log logBuffer
	root := shop(child.Spec{Name: "a", Run: idle})
	r := watchOn(root, Spec{Dir: dir, Logger: log.logger()}, nil)
	require.Equal(t, 1, log.count("events are being lost"), log.String())
	require.NoError(t, root.Start(t.Context()))
	r.settle()

	require.NoError(t, os.Remove(file)) // now it can
	r.settle()
	require.NoError(t, root.Stop(context.Background()))
	r.stop()
	require.Equal(t, 1, log.count("writes again"), log.String())
	l := lives(t, dir)[0]
	require.Equal(t, Clean, l.End)
	require.FileExists(t, filepath.Join(l.Dir, buildName))
	events, err := l.Events(1)
	require.NoError(t, err)
	require.Len(t, events, 1)
}

// As when a volume is mounted late.
func TestEarlierLivesAreReportedAsSoonAsTheyCanBeRead(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "shop")
	root := shop(child.Spec{Name: "a", Run: idle})
	stop := watch(root, Spec{Dir: dir, Logger: quiet})
	require.NoError(t, root.Start(t.Context()))
	stop()
	require.NoError(t, root.Stop(context.Background()))
	require.NoError(t, os.Rename(dir, dir+".away"))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))

	var log logBuffer
	r := watchOn(root, Spec{Dir: dir, Logger: log.logger()}, nil)
	_, ok := Last(root)
	require.False(t, ok)
	require.Zero(t, log.count("did not end well"))
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Rename(dir+".away", dir))
	r.settle()
	last, ok := Last(root)
	require.True(t, ok)
	require.Equal(t, Detached, last.End)
	r.stop()
	require.Equal(t, 1, log.count("did not end well"), log.String())
}

func TestADirectoryThatSomebodyRemovesIsMadeAgain(t *testing.T) {
	for _, what := range []string{"life", "all"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "shop")
				var log logBuffer
				root := shop(child.Spec{Name: "a", Run: idle})
				r := watchOn(root, Spec{Dir: dir, Logger: log.logger()}, nil)
				require.NoError(t, root.Start(t.Context()))
				r.await(supervisor.EventUp)
				removed := dir
				if what == "life" {
					removed = lives(t, dir)[0].Dir
				}
				require.NoError(t, os.RemoveAll(removed))
				time.Sleep(lookEvery)
				require.NoError(t, root.Stop(context.Background()))
				r.stop()
				require.Empty(t, log.String())
				l := lives(t, dir)[0]
				require.Equal(t, Clean, l.End)
				events, err := l.Events(-1)
				require.NoError(t, err)
				require.EqualValues(t, 3, events[0].Lost, "starting, ready, up")
				require.FileExists(t, filepath.Join(l.Dir, buildName))
			})
		})
	}
}

func TestNothingIsRecordedWithoutADirectory(t *testing.T) {
	var log logBuffer
	stop := Watch(shop(), Spec{Logger: log.logger()})
	stop()
	require.Equal(t, 1, log.count("set Spec.Dir"))
}

// A network disk blocks every write while its server is away.
func TestADiskThatHangsHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		hang := make(chan struct{})
		a := newFragile()
		root := shop(child.Spec{Name: "a", Run: a.Run})
		ready := root.Watch(t.Context(), "a", supervisor.EventReady)
		began := time.Now()
		r := watchOn(root, Spec{Dir: dir, Logger: quiet}, func(f *os.File, b []byte) (int, error) {
			<-hang
			return f.Write(b)
		})
		require.Equal(t, openWait, time.Since(began))
		require.NoError(t, root.Start(t.Context()))
		<-ready
		for range 4000 {
			a.fail <- errBoom
			<-ready
		}
		require.Equal(t, openWait, time.Since(began))
		require.NoError(t, root.Stop(context.Background()))
		stopped := time.Now()
		r.stop()
		require.LessOrEqual(t, time.Since(stopped), stopWait)
		r.mu.Lock()
		require.LessOrEqual(t, len(r.lines), r.maxLines())
		r.mu.Unlock()
		close(hang)
		<-r.written
		l := lives(t, dir)[0]
		require.Equal(t, Clean, l.End)
		events, err := l.Events(-1)
		require.NoError(t, err)
		suffix(t, events)
		require.Regexp(t, `events before: not shown, removed or lost\nthe tree ended`, printed(t, dir, Options{}))
	})
}

// After an attempt that failed, the next one is a second later, then two, and so on.
func TestWritingIsRetriedWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		dir := t.TempDir()
		r := watchOn(shop(), Spec{Dir: dir, Logger: quiet}, d.write)
		d.full.Store(true)
		r.note(struct{}{})
		synctest.Wait()
		require.EqualValues(t, 1, d.failed.Load())
		time.Sleep(firstRetry + time.Nanosecond)
		require.EqualValues(t, 2, d.failed.Load())
		time.Sleep(2*firstRetry + time.Nanosecond)
		require.EqualValues(t, 3, d.failed.Load())
		d.full.Store(false)
		time.Sleep(4*firstRetry + time.Nanosecond)
		require.Contains(t, printed(t, filepath.Join(dir, r.store.life, eventsFile(1)), Options{}), "nothing could be written since")
		r.stop()
	})
}

package blackbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// openStore returns a store with small files.
func openStore(t *testing.T, dir string, files int) *store {
	s := &store{
		top: dir, began: time.Now(), fileSize: 1000, files: files,
		header: func(life string, file int) []byte {
			return appendNote(nil, begin{Version: 1, Life: life, File: file, Root: "/shop"})
		},
		opened: func() {}, retire: func(f *os.File) { _ = f.Close() }, write: (*os.File).Write,
	}
	t.Cleanup(s.close)
	require.NoError(t, s.put(nil))
	return s
}

// eventLine returns the line of an event.
func eventLine(n uint64) []byte {
	e := supervisor.Event{Seq: n, Kind: supervisor.EventFailed, Path: "/shop/a", Time: time.Unix(int64(n), 0)}
	return appendEvent(nil, n, &e, "boom", nil)
}

func TestTheOldestFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 3)
	for n := range uint64(1000) {
		require.NoError(t, s.put(eventLine(n+1)))
	}
	size, files := int64(0), 0
	for _, name := range kept(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), s.fileSize)
		size += info.Size()
		if strings.Contains(name, "events") {
			files++
		}
	}
	require.Equal(t, 3, files)
	require.Greater(t, size, 2*s.fileSize)
	l := lives(t, dir)[0]
	events, err := l.Events(-1)
	require.NoError(t, err)
	suffix(t, events)
	require.Equal(t, events[0].Seq-1, events[0].Lost)
	require.EqualValues(t, 1000, events[len(events)-1].Seq)
	for _, n := range []int{0, 1, 5, 10, len(events), 1000} { // over several files
		last, err := l.Events(n)
		require.NoError(t, err)
		require.Len(t, last, min(n, len(events)))
		for i, e := range last {
			require.Equal(t, events[len(events)-len(last)+i].Seq, e.Seq)
		}
	}
}

// After a power cut, files may be cut short and have zeros. What is shown is what happened,
// in order, and each hole is stated.
func FuzzDamagedRecording(f *testing.F) {
	f.Add(uint16(100), uint16(3), uint16(1<<15))
	f.Add(uint16(1500), uint16(900), uint16(1<<15))
	f.Add(uint16(0), uint16(2), uint16(500))
	f.Add(uint16(0), uint16(0), uint16(0))
	f.Add(uint16(250), uint16(0), uint16(250))
	f.Fuzz(func(t *testing.T, at, zeros, size uint16) {
		dir := t.TempDir()
		s := openStore(t, dir, 4)
		for n := range uint64(20) {
			require.NoError(t, s.put(eventLine(n+1)))
		}
		s.close()
		name := s.path(eventsFile(1 + int(at)%s.no))
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		from := int(at) % (len(text) + 1)
		clear(text[from:min(from+int(zeros), len(text))])
		require.NoError(t, os.WriteFile(name, text[:min(len(text), int(size))], 0o600))
		l, err := readLife(filepath.Join(dir, s.life))
		require.NoError(t, err)
		all, err := l.Events(-1)
		require.NoError(t, err)
		for n := range 21 {
			events, err := l.Events(n)
			require.NoError(t, err)
			require.Len(t, events, min(n, len(all)))
			last := uint64(0)
			for _, e := range events {
				require.Equal(t, last+1+e.Lost, e.Seq)
				last = e.Seq
			}
		}
	})
}

func TestWhatAFailedWriteHasLeftIsRemoved(t *testing.T) {
	var d disk
	s := openStore(t, t.TempDir(), 3)
	s.write = d.write
	require.NoError(t, s.put(eventLine(1)))
	before, err := os.ReadFile(s.path(eventsFile(1)))
	require.NoError(t, err)
	d.full.Store(true)
	require.ErrorIs(t, s.put(append(eventLine(2), eventLine(3)...)), errNoSpace)
	require.ErrorIs(t, s.put(eventLine(3)), errNoSpace)
	d.full.Store(false)
	require.NoError(t, s.put(eventLine(4)))
	text, err := os.ReadFile(s.path(eventsFile(1)))
	require.NoError(t, err)
	require.Equal(t, string(before)+string(eventLine(4)), string(text))

	d.full.Store(true) // with another file, of which even the first line cannot be written
	s.size = s.fileSize
	require.ErrorIs(t, s.put(eventLine(5)), errNoSpace)
	d.full.Store(false)
	require.NoError(t, s.put(eventLine(5)))
	text, err = os.ReadFile(s.path(eventsFile(2)))
	require.NoError(t, err)
	require.Equal(t, string(s.header(s.life, 2))+string(eventLine(5)), string(text))
}

func TestALineThatIsThereTwiceIsShownOnce(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 3)
	for _, n := range []uint64{1, 2, 2, 1, 3} {
		require.NoError(t, s.put(eventLine(n)))
	}
	l := lives(t, dir)[0]
	events, err := l.Events(-1)
	require.NoError(t, err)
	require.Len(t, events, 3)
	suffix(t, events)
}

// An abandoned run may return after its root has ended.
func TestALifeWithALateExitAfterItsEndIsClean(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 3)
	for i, e := range []supervisor.Event{
		{Kind: supervisor.EventOver, Path: "/shop", Err: errBoom},
		{Kind: supervisor.EventLateExit, Path: "/shop/a"},
	} {
		require.NoError(t, s.put(appendEvent(nil, uint64(i+1), &e, textOf(e.Err), nil)))
	}
	s.close()
	require.Equal(t, Clean, lives(t, dir)[0].End)
	require.Equal(t, "boom", lives(t, dir)[0].Err)
}

func TestALifeThatGoesOnAfterTheEndOfTheRootIsNotClean(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 3)
	for i, e := range []supervisor.Event{
		{Kind: supervisor.EventOver, Path: "/shop"},
		{Kind: supervisor.EventStarting, Path: "/shop/a"},
		{Kind: supervisor.EventOver, Path: "/shop/jobs"},
	} {
		require.NoError(t, s.put(appendEvent(nil, uint64(i+1), &e, "", nil)))
	}
	s.close()
	require.Equal(t, Killed, lives(t, dir)[0].End)
}

func TestAStackIsRecordedOnceForTheSameError(t *testing.T) {
	dir := t.TempDir()
	r := watchOn(shop(), Spec{Dir: dir, Logger: quiet}, nil)
	panicked := func(path string, err error) {
		r.record(supervisor.Event{Kind: supervisor.EventFailed, Path: path, Err: err, Stack: []byte("goroutine 1")})
	}
	for range 100 {
		panicked("/shop/a", errBoom)
		panicked("/shop/a", errNoSpace)
		panicked("/shop/b", errBoom)
	}
	r.stop()
	require.Equal(t, 3, strings.Count(printed(t, dir, Options{Events: -1, Stacks: true}), "goroutine 1"))
}

func TestATornLastLineIsIgnored(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 3)
	require.NoError(t, s.put(append(eventLine(1), eventLine(2)...)))
	s.close()
	name := s.path(eventsFile(1))
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, text[:len(text)-5], 0o600))
	l := lives(t, dir)[0]
	require.Equal(t, Killed, l.End)
	events, err := l.Events(-1)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, time.Unix(1, 0).UTC(), l.Latest)
}

func TestForeignFilesAreIgnoredAndLeftAlone(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	life := nameOf(time.Unix(0, 0), 7)
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "precious"), nil, 0o600))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, life)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, nameOf(time.Unix(1, 0), 7)), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "other"), 0o700))
	for range 4 {
		watch(shop(), Spec{Dir: dir, Keep: 2, Logger: quiet})()
	}
	require.FileExists(t, filepath.Join(elsewhere, "precious"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 5, "a link, a file, a directory, two lives")
	require.Len(t, lives(t, dir), 2)
}

// A link in the directory of a life never leads a writer, a reader or a removal elsewhere.
func TestLinksInALife(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	secret := filepath.Join(elsewhere, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	s := openStore(t, dir, 3)
	require.NoError(t, s.put(eventLine(1)))
	require.NoError(t, os.Symlink(secret, s.path(eventsFile(2)))) // the next file
	require.NoError(t, os.Symlink(secret, s.path(crashName)))
	require.NoError(t, os.Symlink(elsewhere, s.path("dump-0001-hung")))
	s.size = s.fileSize
	require.Error(t, s.put(eventLine(2)))
	s.close()
	require.NotContains(t, printed(t, dir, Options{}), "secret")
	require.Error(t, Print(new(bytes.Buffer), s.path(crashName), Options{}), "a link is not followed")
	require.NoError(t, prune(dir, "", 0))
	require.Empty(t, lives(t, dir))
	text, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "secret", string(text))
}

// One lock for each life: it tells those that run from those that were killed, also when
// process IDs are used again, as in containers, where each process has number 1.
func TestRecordingsAtOnceInOneDirectory(t *testing.T) {
	dir := t.TempDir()
	const n = 20
	var stops [n]func()
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() { stops[i] = watch(shop(), Spec{Dir: dir, Keep: 3, Logger: quiet}) })
	}
	done.Wait()
	all := lives(t, dir)
	require.Len(t, all, n)
	for _, l := range all {
		require.Equal(t, Running, l.End)
	}
	for _, stop := range stops {
		stop()
	}
	for _, l := range lives(t, dir) {
		require.Equal(t, Clean, l.End)
	}
	defer watch(shop(), Spec{Dir: dir, Keep: 3, Logger: quiet})()
	require.Len(t, lives(t, dir), 3)
}

func TestLivesThatEndedCleanAreRemovedFirst(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for i := range 6 {
		s := openStore(t, dir, 3)
		if i%2 == 1 {
			require.NoError(t, s.put(appendNote(nil, ending{End: Clean})))
		}
		s.close()
		names = append(names, s.life)
	}
	left := func() (left []int) {
		for _, l := range lives(t, dir) {
			for i, name := range names {
				if name == l.Name {
					left = append(left, i)
				}
			}
		}
		return left
	}
	for _, step := range []struct {
		keep int
		left []int
	}{
		{7, []int{0, 1, 2, 3, 4, 5}},
		{6, []int{0, 2, 3, 4, 5}},
		{4, []int{0, 2, 4}},
		{3, []int{2, 4}},
		{1, nil},
	} {
		require.NoError(t, prune(dir, "own", step.keep))
		require.Equal(t, step.left, left(), "keep %d", step.keep)
	}
}

func TestADirectoryThatAnotherProcessHasJustMadeIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	fresh := filepath.Join(dir, nameOf(time.Now(), 1))
	require.NoError(t, os.Mkdir(fresh, 0o700))
	require.NoError(t, prune(dir, "", 0))
	require.DirExists(t, fresh)
	hourAgo := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(fresh, hourAgo, hourAgo))
	require.NoError(t, prune(dir, "", 0))
	require.NoDirExists(t, fresh)
}

func TestPrintOfWhatIsNotARecording(t *testing.T) {
	dir := t.TempDir()
	require.ErrorIs(t, Print(new(bytes.Buffer), dir, Options{}), errNoLife)
	require.ErrorIs(t, Print(new(bytes.Buffer), filepath.Join(dir, "none"), Options{}), os.ErrNotExist)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("a\x1b[2J\tb\r\n\xff\n"), 0o600))
	require.Equal(t, "a\\x1b[2J\tb\n\\xff\n", printed(t, file, Options{}))
}

func TestHostileTextsAreOneBoundedLineEach(t *testing.T) {
	dir := t.TempDir()
	text := "\x1b[2J\n\r\u202e\xff\"\\{\"n\":1}\n"
	huge := errors.New(strings.Repeat(text, 1<<20/len(text)))
	a := newFragile()
	root := shop(child.Spec{Name: "a", Run: a.Run})
	r := watchOn(root, Spec{Dir: dir, Logger: quiet}, nil)
	require.NoError(t, root.Start(t.Context()))
	r.await(supervisor.EventReady)
	a.fail <- huge
	r.await(supervisor.EventReady)
	a.fail <- fmt.Errorf("%w", (*panicking)(nil))
	r.await(supervisor.EventReady)
	require.NoError(t, root.Stop(context.Background()))
	r.stop()
	l := lives(t, dir)[0]
	data, err := os.ReadFile(filepath.Join(l.Dir, eventsFile(1)))
	require.NoError(t, err)
	require.Less(t, len(data), 10*maxErr*6)
	for line := range bytes.Lines(data) {
		_, ok := parse(line)
		require.True(t, ok, "%s", line)
		require.NotContains(t, string(line), "\x1b")
		require.NotContains(t, string(line), "\u202e")
	}
	events, err := l.Events(-1)
	require.NoError(t, err)
	suffix(t, events)
	for _, o := range []Options{{}, {Stacks: true}, {JSON: true}} {
		shown := printed(t, dir, o)
		require.NotContains(t, shown, "\x1b")
		require.NotContains(t, shown, "\u202e")
	}
	require.Contains(t, printed(t, dir, Options{}), "…")
}

type panicking struct{}

func (*panicking) Error() string { panic("no text") }

func TestTextsAreCutAtARune(t *testing.T) {
	for limit := 4; limit < 20; limit++ {
		text := cut(strings.Repeat("日", 10), limit)
		require.LessOrEqual(t, len(text), limit)
		require.Equal(t, strings.ToValidUTF8(text, "?"), text)
	}
	require.Equal(t, "abc", cut("abc", 3))
	require.LessOrEqual(t, len(cut(strings.Repeat("\x80", 100), 10)), 10)
}

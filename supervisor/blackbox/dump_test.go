package blackbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// file returns the text of a file of a dump.
func file(t *testing.T, l Life, dump int, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.Dir, l.Dumps[dump], name))
	require.NoError(t, err)
	return string(text)
}

// label gives each run a pprof label.
func label(ctx child.Context, run func(child.Context) error) (err error) {
	pprof.Do(ctx, pprof.Labels("child", ctx.Path()), func(labelled context.Context) {
		err = run(child.FromContext(labelled))
	})
	return err
}

// hangs ignores its context until release is closed.
func hangs(release <-chan struct{}) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-release
		return nil
	}
}

func TestAnAbandonedRunHasADumpWithLabelledStacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		release := make(chan struct{})
		defer close(release)
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Around: label, Children: []child.Spec{
			{Name: "stuck", Run: hangs(release), StopTimeout: time.Second},
		}})
		live(t, root, Spec{Dir: dir, Logger: quiet}, func() {})
		l := lives(t, dir)[0]
		require.Equal(t, Clean, l.End)
		require.Contains(t, l.Err, "did not stop within 1s")
		require.Equal(t, []string{"dump-0001-abandoned"}, l.Dumps)
		require.Contains(t, file(t, l, 0, whyName), "abandoned /shop/stuck")
		require.Contains(t, file(t, l, 0, whyName), ".hangs.", "the stack of the event")
		require.Contains(t, file(t, l, 0, treeName), "stuck")
		require.Contains(t, file(t, l, 0, treeJSONName), `"path":"/shop/stuck"`)
		require.Contains(t, file(t, l, 0, stacksName), `"child":"/shop/stuck"`)
		require.Contains(t, file(t, l, 0, stacksName), ".hangs.")
		if pprof.Lookup("goroutineleak") != nil {
			require.NotEmpty(t, file(t, l, 0, leaksName))
		}
		require.Contains(t, printed(t, dir, Options{}), "dump dump-0001-abandoned of /shop/stuck\n")
		shown := printed(t, filepath.Join(l.Dir, l.Dumps[0]), Options{})
		require.Contains(t, shown, "== why.txt\nabandoned /shop/stuck")
		require.Contains(t, shown, "== tree.json is a file for other programs")
	})
}

func TestARunThatIsAbandonedOnPurposeHasNoDump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		release := make(chan struct{})
		defer close(release)
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
			{Name: "stuck", Run: hangs(release), StopTimeout: child.AtOnce},
		}})
		live(t, root, Spec{Dir: dir, Logger: quiet}, func() {})
		events, err := lives(t, dir)[0].Events(-1)
		require.NoError(t, err)
		require.Contains(t, texts(events), "abandoned /shop/stuck")
		require.Empty(t, lives(t, dir)[0].Dumps)
	})
}

func TestAThousandChildrenThatHangAtOnceHaveOneDump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		release := make(chan struct{})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Strategy: strategy.Independent, Intensity: strategy.Unlimited()})
		live(t, root, Spec{Dir: dir, Logger: quiet}, func() {
			for i := range 1000 {
				require.NoError(t, root.StartChild(t.Context(), child.Spec{
					Name: fmt.Sprint(i), Run: hangs(release), Heartbeat: time.Second, StopTimeout: child.Forever,
				}))
			}
			time.Sleep(10 * time.Second)
			close(release)
		})
		require.Equal(t, []string{"dump-0001-hung"}, lives(t, dir)[0].Dumps)
	})
}

func TestDumpsAreBoundedInNumberAndRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := watchOn(shop(), Spec{Dir: dir, Logger: quiet}, nil)
		for i := range uint64(10 * 4) { // four a minute, for ten minutes
			r.record(supervisor.Event{Kind: supervisor.EventHung, Seq: i + 1, Path: "/shop/a", Stack: []byte("stack"), Time: time.Now()})
			time.Sleep(15 * time.Second)
		}
		r.stop()
		l := lives(t, dir)[0]
		require.Equal(t, []string{"dump-0001-hung", "dump-0008-hung", "dump-0009-hung", "dump-0010-hung"}, l.Dumps)
		require.Contains(t, file(t, l, 1, whyName), "skipped     3 of this kind")
	})
}

func TestADumpOfAnotherKindNeedNotWait(t *testing.T) {
	dir := t.TempDir()
	r := watchOn(shop(), Spec{Dir: dir, Logger: quiet}, nil)
	r.record(supervisor.Event{Kind: supervisor.EventHung, Path: "/shop/a"})
	r.record(supervisor.Event{Kind: supervisor.EventGaveUp, Path: "/shop", Err: errBoom})
	r.stop()
	require.Len(t, lives(t, dir)[0].Dumps, 2)
}

func TestTheFilesOfADumpShareItsSize(t *testing.T) {
	top, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer top.Close()
	write := func(n int) func(io.Writer) error {
		return func(w io.Writer) error {
			for range n {
				if _, err := w.Write([]byte("x")); err != nil {
					return err
				}
			}
			return nil
		}
	}
	files := dumpFiles{dir: top, left: 1000}
	files.text("short", write(100))
	files.text("long", write(10_000))
	files.whole("large", write(10_000))
	files.whole("fits", write(400))
	files.text("failed", func(w io.Writer) error {
		_, _ = w.Write([]byte("part"))
		return errBoom
	})
	require.EqualError(t, errors.Join(files.problems...), "long: cut at 450 bytes\nlarge: has more than 450 bytes\nfailed: boom")
	sizes := map[string]int64{}
	entries, err := os.ReadDir(top.Name())
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		sizes[e.Name()] = info.Size()
	}
	require.Equal(t, map[string]int64{"short": 100, "long": 450, "fits": 400}, sizes)
}

func TestADumpOfAHugeTreeIsBounded(t *testing.T) {
	dir := t.TempDir()
	var specs []child.Spec
	for i := range 100 {
		specs = append(specs, child.Spec{Name: fmt.Sprintf("child-%d", i), Run: idle})
	}
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Strategy: strategy.Independent, Children: specs})
	r := watchOn(root, Spec{Dir: dir, Logger: quiet}, nil)
	r.dumps.size = 8 << 10
	require.NoError(t, root.Start(t.Context()))
	r.record(supervisor.Event{Kind: supervisor.EventHung, Path: "/shop/a"})
	r.settle()
	l := lives(t, dir)[0]
	require.Len(t, l.Dumps, 1)
	size := int64(0)
	for _, name := range kept(t, filepath.Join(l.Dir, l.Dumps[0])) {
		require.NotEqual(t, treeJSONName, name, "it does not fit")
		info, err := os.Stat(filepath.Join(l.Dir, l.Dumps[0], name))
		require.NoError(t, err)
		size += info.Size()
	}
	require.LessOrEqual(t, size, r.dumps.size)
	require.Regexp(t, "incomplete: .*tree.json: has more than", printed(t, dir, Options{}))
	require.NoError(t, root.Stop(context.Background()))
	r.stop()
}

func TestADumpHasTheFlightRecord(t *testing.T) {
	dir := t.TempDir()
	flight := trace.NewFlightRecorder(trace.FlightRecorderConfig{MaxBytes: 64 << 10})
	require.NoError(t, flight.Start())
	defer flight.Stop()
	r := watchOn(shop(), Spec{Dir: dir, Flight: flight, Logger: quiet}, nil)
	r.record(supervisor.Event{Kind: supervisor.EventHung, Path: "/shop/a"})
	r.stop()
	l := lives(t, dir)[0]
	require.True(t, strings.HasPrefix(file(t, l, 0, flightName), "go 1."), "the header of a trace")
}

func TestAFlightRecorderThatDoesNotRunIsNoted(t *testing.T) {
	dir := t.TempDir()
	flight := trace.NewFlightRecorder(trace.FlightRecorderConfig{})
	r := watchOn(shop(), Spec{Dir: dir, Flight: flight, Logger: quiet}, nil)
	r.record(supervisor.Event{Kind: supervisor.EventHung, Path: "/shop/a"})
	r.stop()
	require.Contains(t, printed(t, dir, Options{}), "incomplete: flight.trace: ")
	require.NoFileExists(t, filepath.Join(lives(t, dir)[0].Dir, "dump-0001-hung", flightName))
}

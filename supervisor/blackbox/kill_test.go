package blackbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// storm runs a tree whose children fail all the time, and says so when some have.
func storm(dir string) {
	run := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		return errBoom
	}
	root := shop(child.Spec{Name: "a", Run: run}, child.Spec{Name: "b", Run: run})
	watch(root, Spec{Dir: dir, MaxSize: 1}) // the least
	failed := root.Watch(context.Background(), "a", supervisor.EventFailed)
	_ = root.Start(context.Background())
	for n := 0; ; n++ {
		<-failed
		if n == 2000 {
			fmt.Println("stormy")
		}
	}
}

func TestTheNextLifeSaysThatALifeWasKilledInAStorm(t *testing.T) {
	if dir := os.Getenv(again); dir != "" {
		storm(dir)
	}
	dir := t.TempDir()
	cmd := process(t, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "stormy\n", line)
	require.Equal(t, Running, lives(t, dir)[0].End)
	require.NoError(t, cmd.Process.Kill())
	require.ErrorContains(t, cmd.Wait(), "signal: killed")

	killed := lives(t, dir)[0]
	require.Equal(t, Killed, killed.End)
	require.Equal(t, cmd.Process.Pid, killed.PID)

	var log logBuffer
	root := shop(child.Spec{Name: "a", Run: idle})
	stop := watch(root, Spec{Dir: dir, Logger: log.logger()})
	last, ok := Last(root)
	require.True(t, ok)
	require.Equal(t, killed, last)
	require.Equal(t, 1, log.count("an earlier life did not end well"), log.String())
	require.Equal(t, 1, log.count("end=killed"))
	require.Equal(t, reportedEvents, log.count("before its end"))
	text := printed(t, dir, Options{}) // of the last life, although this one is newer
	stop()
	_, ok = Last(root)
	require.False(t, ok)
	require.Contains(t, text, "ended without a stop")
	events, err := last.Events(100)
	require.NoError(t, err)
	require.Len(t, events, 100)
	suffix(t, events[1:])
	shown := 0
	for line := range strings.Lines(text) {
		if len(line) > 14 && (strings.Contains(line, " /shop/a") || strings.Contains(line, " /shop/b")) {
			require.Contains(t, line, events[shown].Path)
			shown++
		}
	}
	require.Equal(t, 100, shown, text)
	events, err = last.Events(-1)
	require.NoError(t, err)
	suffix(t, events)

	// It is reported once.
	log = logBuffer{}
	watch(root, Spec{Dir: dir, Logger: log.logger()})()
	require.Empty(t, log.String())
}

// suffix checks that events are what happened in a row, apart from holes that are stated.
// It uses that the numbers of a tree have no holes while everything is subscribed.
func suffix(t *testing.T, events []supervisor.Event) {
	t.Helper()
	require.NotEmpty(t, events)
	for i := 1; i < len(events); i++ {
		e := events[i]
		require.Equal(t, events[i-1].Seq+1+e.Lost, e.Seq, "%d: %v", i, e)
		require.False(t, e.Time.Before(events[i-1].Time))
	}
}

func TestACrashIsRecorded(t *testing.T) {
	if dir := os.Getenv(again); dir != "" {
		crash := make(chan struct{})
		root := supervisor.New(supervisor.Spec{Name: "shop", PassPanics: true, Logger: quiet, Children: []child.Spec{{
			Name: "a", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-crash
				panic("no \x1b[31mway")
			},
		}}})
		r := watchOn(root, Spec{Dir: dir, Crash: true, Logger: quiet}, nil)
		_ = root.Start(context.Background())
		r.await(supervisor.EventReady)
		close(crash)
		select {}
	}
	dir := t.TempDir()
	out, err := process(t, dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "panic: no ")
	l := lives(t, dir)[0]
	require.Equal(t, Crashed, l.End)
	require.Equal(t, `panic: no \x1b[31mway`, l.Err)
	text := printed(t, dir, Options{})
	require.Contains(t, text, `crashed: panic: no \x1b[31mway`)
	require.Contains(t, text, "goroutine ")
	require.Contains(t, text, "starting /shop/a")
	require.NotContains(t, text, "\x1b")
}

func TestAPanicOfMainThatRunsTheDeferredStopIsACrash(t *testing.T) {
	if dir := os.Getenv(again); dir != "" {
		root := shop(child.Spec{Name: "a", Run: idle})
		defer watch(root, Spec{Dir: dir, Crash: true})()
		_ = root.Start(context.Background())
		panic("main")
	}
	dir := t.TempDir()
	_, err := process(t, dir).CombinedOutput()
	require.Error(t, err)
	require.Equal(t, Crashed, lives(t, dir)[0].End)
}

func TestTheCrashOutputOfALifeThatEndedIsDetached(t *testing.T) {
	dir := t.TempDir()
	root := shop()
	watch(root, Spec{Dir: dir, Crash: true, Logger: quiet})()
	l := lives(t, dir)[0]
	require.Equal(t, Clean, l.End)
	require.NoFileExists(t, filepath.Join(l.Dir, crashName))
}

// As with log.Fatal(root.Serve(ctx)): the deferred stop is not called.
func TestAProcessThatExitsAfterTheTreeHasEndedIsClean(t *testing.T) {
	if dir := os.Getenv(again); dir != "" {
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{
			Name: "a", Run: func(ctx child.Context) error { _ = ctx.Ready(); return errBoom },
		}}})
		watch(root, Spec{Dir: dir, Logger: quiet})
		if root.Serve(context.Background()) != nil {
			os.Exit(3)
		}
	}
	dir := t.TempDir()
	var exit *exec.ExitError
	require.True(t, errors.As(process(t, dir).Run(), &exit))
	require.Equal(t, 3, exit.ExitCode())
	l := lives(t, dir)[0]
	require.Equal(t, Clean, l.End)
	require.Contains(t, l.Err, "gave up")
	require.Len(t, l.Dumps, 1)
	require.FileExists(t, filepath.Join(l.Dir, l.Dumps[0], stacksName))
}

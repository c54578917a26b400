package blackbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime/trace"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/blackbox"
)

func feed(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return errors.New("no such host")
}

// shop is a tree that gives up, because its only child fails at once.
var shop = supervisor.Spec{
	Name:     "shop",
	Logger:   slog.New(slog.DiscardHandler),
	Children: []child.Spec{{Name: "feed", Run: feed}},
}

// tempDir returns a new directory. A program uses one that is there after a restart, such as
// /var/crash/shop.
func tempDir() string {
	dir, err := os.MkdirTemp("", "blackbox")
	if err != nil {
		panic(err)
	}
	return dir
}

// Attach the black box before the root is started, and end the recording after it has
// ended.
func Example() {
	dir := tempDir()
	defer os.RemoveAll(dir)

	root := supervisor.New(shop)
	stop := blackbox.Watch(root, blackbox.Spec{Dir: dir})
	_ = root.Serve(context.Background()) // gives up
	stop()

	lives, err := blackbox.Lives(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, life := range lives {
		fmt.Println(life.Root, life.End)
		fmt.Println(life.Err)
		fmt.Println(life.Dumps)
	}
	// Output:
	// /shop clean
	// /shop: gave up: more than 3 restarts in 5s: /shop/feed: no such host
	// [dump-0001-gave-up]
}

// The events of a life that was not stopped, here because the recording ended first.
func ExampleLast() {
	dir := tempDir()
	defer os.RemoveAll(dir)
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "feed", Run: feed, Backoff: child.Constant(time.Hour)}},
	})
	restarting := root.Watch(ctx, "feed", supervisor.EventRestarting)
	stop := blackbox.Watch(root, blackbox.Spec{Dir: dir})
	_ = root.Start(ctx)
	<-restarting
	stop() // too early: the tree is running
	_ = root.Stop(ctx)

	stop = blackbox.Watch(root, blackbox.Spec{Dir: dir}) // the next start
	defer stop()
	if life, ok := blackbox.Last(root); ok && life.End != blackbox.Clean {
		fmt.Println("the last life of", life.Root, "was", life.End)
	}
	// Output:
	// the last life of /shop was detached
}

var times = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d\d\d`)

// Print writes what coppice blackbox shows.
func ExamplePrint() {
	dir := tempDir()
	defer os.RemoveAll(dir)
	root := supervisor.New(shop)
	stop := blackbox.Watch(root, blackbox.Spec{Dir: dir})
	_ = root.Serve(context.Background())
	stop()

	var text bytes.Buffer
	if err := blackbox.Print(&text, dir, blackbox.Options{}); err != nil {
		fmt.Println(err)
		return
	}
	for line := range bytes.Lines(text.Bytes()) {
		if times.Match(line) && bytes.Contains(line, []byte("  failed")) {
			fmt.Printf("%s", times.ReplaceAll(line, []byte("10:15:00.123")))
		}
	}
	// Output:
	// 10:15:00.123  failed /shop/feed: no such host
	// 10:15:00.123  failed /shop/feed: no such host
	// 10:15:00.123  failed /shop/feed: no such host
	// 10:15:00.123  failed /shop/feed: no such host
}

// All fields of a Spec.
func ExampleSpec() {
	dir := tempDir()
	defer os.RemoveAll(dir)
	flight := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: 5 * time.Second})
	if err := flight.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer flight.Stop()

	root := supervisor.New(shop)
	stop := blackbox.Watch(root, blackbox.Spec{
		Dir:     dir,
		Keep:    10,
		MaxSize: 256 << 20,
		Crash:   true,   // the text of a crash of the process
		Flight:  flight, // what the goroutines did before a dump
		Logger:  slog.Default(),
	})
	_ = root.Serve(context.Background())
	stop()

	dumps, _ := filepath.Glob(filepath.Join(dir, "*", "dump-*", "*"))
	for _, file := range dumps {
		fmt.Println(filepath.Base(file))
	}
	// Output:
	// flight.trace
	// stacks.txt
	// tree.json
	// tree.txt
	// why.txt
}

// Codesearch is a small supervised service: it crawls a source tree, indexes the identifiers of its Go files in a journal
// that survives crashes, and answers queries over HTTP. On another port it serves the page and the probes of Coppice. With
// -demo it crashes again and again, and then checks that nothing was lost.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/coppice-go/coppice/supervisor/blackbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once

	err := run(ctx, os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "codesearch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var cfg config
	flags := flag.NewFlagSet("codesearch", flag.ContinueOnError)
	flags.StringVar(&cfg.root, "root", "", "source `directory` to index (default: the Go toolchain's)")
	flags.StringVar(&cfg.journal, "journal", "",
		"`file` that holds the index (default: in the user's cache; with -demo a temporary one)")
	flags.StringVar(&cfg.addr, "addr", "", "`address` to listen on (default: 127.0.0.1:7878; with -demo any free port)")
	flags.StringVar(&cfg.debugAddr, "debug", "",
		"loopback `address` of the page and the probes (default: 127.0.0.1:7879; with -demo any free port)")
	flags.IntVar(&cfg.workers, "workers", runtime.GOMAXPROCS(0), "maximum `number` of jobs at a time")
	flags.IntVar(&cfg.batch, "batch", 16, "`number` of files in a job")
	showDemo := flags.Bool("demo", false, "crash on purpose, check the index and exit")
	hold := flags.Bool("hold", false, "after -demo start the service again and serve until Ctrl-C")
	chaotic := flags.Bool("chaos", false, "serve POST /crash/{path}, which makes a child panic")
	seed := flags.Uint64("seed", 1, "random `seed` of the crashes in -demo")
	crashes := flags.Int("crashes", 48, "`number` of crashes in -demo")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case cfg.workers < 1 || cfg.batch < 1:
		return errors.New("-workers and -batch must be at least 1")
	case *hold && !*showDemo:
		return errors.New("-hold needs -demo")
	}
	if err := fill(&cfg, *showDemo); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", cfg.debugAddr)
	if err != nil {
		return err
	}
	defer ln.Close()
	cfg.debug = ln
	if *showDemo || *chaotic {
		cfg.chaos = newChaos()
	}
	if *showDemo {
		cfg.log = slog.New(slog.DiscardHandler) // the demo prints its own lines
		return demo(ctx, cfg, *seed, *crashes, *hold, out)
	}
	cfg.log = slog.New(slog.NewTextHandler(out, nil))
	cfg.log.Info("codesearch", "root", cfg.root, "journal", cfg.journal, "page", pageURL(ln))
	root := newService(cfg).root
	defer blackbox.Watch(root, blackbox.Spec{Dir: cfg.journal + ".blackbox"})()
	return root.Serve(ctx)
}

// fill sets the defaults of the flags that were not given.
func fill(cfg *config, demo bool) (err error) {
	if cfg.root == "" {
		goroot, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w; set -root", err)
		}
		cfg.root = filepath.Join(strings.TrimSpace(string(goroot)), "src")
	}
	if cfg.root, err = filepath.Abs(cfg.root); err != nil {
		return err
	}
	addr, debugAddr := "127.0.0.1:7878", "127.0.0.1:7879"
	if demo {
		addr, debugAddr = "127.0.0.1:0", "127.0.0.1:0"
	}
	cfg.addr, cfg.debugAddr = cmp.Or(cfg.addr, addr), cmp.Or(cfg.debugAddr, debugAddr)
	if cfg.journal == "" && !demo {
		if cfg.journal, err = defaultJournal(cfg.root); err != nil {
			return err
		}
	}
	return nil
}

// defaultJournal returns the path of a journal file in the user's cache, a different one for each tree.
func defaultJournal(root string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "coppice-codesearch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, root)
	return filepath.Join(dir, fmt.Sprintf("%016x.journal", h.Sum64())), nil
}

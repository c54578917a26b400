//go:build linux

package sdnotify

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// runService is a program that the real systemd runs.
func runService(mode string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	sockets, err := Listeners()
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	api := httpserver.New(httpserver.Spec{Listener: sockets["api"], Server: func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: "127.0.0.1:0", Handler: hello}, nil
	}})
	work := func(ctx child.Context) error {
		if mode == "slow" && child.Sleep(ctx, 4*time.Second) {
			return nil
		}
		ctx.Status("lag 3 s")
		if err := ctx.Ready(); err != nil {
			return err
		}
		for mode != "hang" && !child.Sleep(ctx, 100*time.Millisecond) {
			ctx.Heartbeat()
		}
		<-ctx.Done()
		if mode == "slow" {
			time.Sleep(4 * time.Second)
		}
		return nil
	}
	root := supervisor.New(supervisor.Spec{
		Name: "shop", Drain: time.Second, Backoff: child.Constant(100 * time.Millisecond),
		Children: []child.Spec{{Name: "api", Run: api.Run}, {Name: "work", Run: work, Heartbeat: time.Second, StopTimeout: 20 * time.Second}},
	})
	if mode == "away" {
		spec := root.Spec()
		lost := false
		spec.Children = append(spec.Children, child.Spec{Name: "db", Backoff: child.Constant(time.Hour), Run: func(ctx child.Context) error {
			if lost {
				return errAway
			}
			lost = true
			return idleFor(ctx, 100*time.Millisecond)
		}})
		if err := root.Upgrade(spec); err != nil {
			log.Fatal(err)
		}
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			done := Reloading()
			<-hup
			done()
		}
	}()
	defer Watch(root)()
	if err := root.Serve(ctx); err != nil {
		log.Fatal(err)
	}
}

// idleFor is ready for a while and then fails.
func idleFor(ctx child.Context, d time.Duration) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	if child.Sleep(ctx, d) {
		return nil
	}
	return errAway
}

// The real systemd, as a user instance in namespaces of its own. This takes root and half a
// minute, so it must be asked for.
func TestUnderSystemd(t *testing.T) {
	if os.Getenv("COPPICE_SYSTEMD") == "" {
		t.Skip("set COPPICE_SYSTEMD=1 to run this under the real systemd")
	}
	for _, tool := range []string{"unshare", "systemctl", "/lib/systemd/systemd", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	if out, err := exec.Command("unshare", "--mount", "--cgroup", "--pid", "--fork", "true").CombinedOutput(); err != nil {
		t.Skipf("namespaces cannot be made: %s", out)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--cgroup", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "testdata/systemd.sh", os.Args[0], dir)
	out, err := cmd.CombinedOutput()
	if t.Failed() || err != nil {
		logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		for _, name := range logs {
			text, _ := os.ReadFile(name)
			t.Logf("%s:\n%s", filepath.Base(name), text)
		}
	}
	require.NoError(t, err, "%s", out)
	got := regexp.MustCompile(`next start in [\w.]+:`).ReplaceAllString(strings.TrimSpace(string(out)), "next start:")
	require.Equal(t, []string{
		"plain: running, result success, status: 2 running; /shop/work: lag 3 s",
		"plain: reload, result success, status: 2 running; /shop/work: lag 3 s",
		"plain: running, result success, status: 2 running; /shop/work: lag 3 s",
		"plain: dead, result success, status: ",
		"slow: running, result success, status: 2 running; /shop/work: lag 3 s",
		"slow: dead, result success, status: ",
		"hang: result watchdog",
		"away: running, result success, status: 2 running, 1 waiting; /shop/db: not ready: next start: connection refused; /shop/work: lag 3 s",
		"socket: hello",
		"socket: hello",
	}, strings.Split(got, "\n"))
	hung, err := os.ReadFile(filepath.Join(dir, "hang.log"))
	require.NoError(t, err)
	require.Contains(t, string(hung), "the watchdog is not fed any more")
	require.Contains(t, string(hung), "SIGABRT: abort")
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/process"
	"github.com/coppice-go/coppice/supervisor"
)

// program returns the path of a program, or skips the test. With PARTS=1, which make parts
// sets, the program must be there.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name // not in the path of every user
		_, err = os.Stat(path)
	}
	if err != nil && os.Getenv("PARTS") == "" {
		t.Skipf("there is no %s (Debian: %s; make parts installs it)", name, debian)
	}
	require.NoError(t, err)
	return path
}

// freePort returns a port of the loopback that was free a moment ago.
func freePort(t *testing.T) int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// ask sends a line to a Redis server, and returns the first line of its answer.
func ask(t *testing.T, addr, command string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, command+"\r\n")
	require.NoError(t, err)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(answer)
}

func redis(t *testing.T, port int, ready process.Ready, args ...string) (*process.Process, *log) {
	server, dir, log := program(t, "redis-server", "redis-server"), t.TempDir(), newLog()
	return process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) {
			cmd := exec.Command(server, append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1"}, args...)...)
			cmd.Dir = dir
			return cmd, nil
		},
		Ready:  ready,
		Logger: log.logger(),
	}), log
}

func TestRedisIsReadyByItsLine(t *testing.T) {
	port := freePort(t)
	addr := fmt.Sprint("127.0.0.1:", port)
	p, log := redis(t, port, process.Ready{Line: "Ready to accept connections"})
	root := start(t, p, child.Spec{})
	require.Equal(t, "+PONG", ask(t, addr, "PING"))
	st, _ := root.Lookup("program")
	require.Regexp(t, `^pid \d+ redis-server`, st.Text)
	require.Equal(t, "+OK", ask(t, addr, "SET key value"))
	require.NoError(t, root.RestartChild(soon(t), "program"))
	require.Equal(t, "$5", ask(t, addr, "GET key"), "the stop left it the time to save")
	require.NoError(t, root.Stop(soon(t)))
	require.Contains(t, strings.Join(log.lines(), "\n"), "bye bye")
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)
}

func TestRedisIsReadyByItsAddress(t *testing.T) {
	port := freePort(t)
	addr := fmt.Sprint("127.0.0.1:", port)
	p, _ := redis(t, port, process.Ready{Addr: addr})
	root := start(t, p, child.Spec{})
	require.Contains(t, []string{"+PONG", "-LOADING Redis is loading the dataset in memory"}, ask(t, addr, "PING"))
	require.NoError(t, root.Stop(soon(t)))
}

// Redis of Debian is linked with libsystemd.
func TestRedisIsReadyByItsNotification(t *testing.T) {
	port := freePort(t)
	p, _ := redis(t, port, process.Ready{Notify: true}, "--supervised", "systemd")
	root := launch(t, p, child.Spec{})
	texts := events(t, root, supervisor.EventStatus)
	require.NoError(t, root.Start(soon(t)))
	require.Equal(t, "+PONG", ask(t, fmt.Sprint("127.0.0.1:", port), "PING"))
	for !strings.HasSuffix(next(t, texts).Text, ": Ready to accept connections") {
	}
	require.NoError(t, root.Stop(soon(t)))
}

func TestRedisThatCrashesIsRestartedOnTheSamePort(t *testing.T) {
	port := freePort(t)
	addr := fmt.Sprint("127.0.0.1:", port)
	p, _ := redis(t, port, process.Ready{Line: "Ready to accept connections"})
	root := launch(t, p, child.Spec{})
	failed, up := events(t, root, supervisor.EventFailed), events(t, root, supervisor.EventReady)
	require.NoError(t, root.Start(soon(t)))
	next(t, up)
	for range 3 {
		now, err := p.Current.Get(soon(t))
		require.NoError(t, err)
		require.NoError(t, now.Signal(syscall.SIGKILL))
		require.Equal(t, syscall.SIGKILL, exit(t, next(t, failed).Err).Signal)
		next(t, up)
		require.Equal(t, "+PONG", ask(t, addr, "PING"))
	}
}

func TestRedisThatCannotStartSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	p, _ := redis(t, taken.Addr().(*net.TCPAddr).Port, process.Ready{Line: "Ready to accept connections"})
	err = launch(t, p, child.Spec{}).Start(soon(t))
	e := exit(t, err)
	require.Equal(t, 1, e.Code)
	require.Contains(t, strings.Join(e.Last, "\n"), "Address already in use")
}

const nginxConfig = `
daemon off;
worker_processes 4;
error_log stderr notice;
pid %[1]s/nginx.pid;
events { }
http {
	access_log off;
	client_body_temp_path %[1]s;
	proxy_temp_path %[1]s;
	fastcgi_temp_path %[1]s;
	uwsgi_temp_path %[1]s;
	scgi_temp_path %[1]s;
	server {
		listen 127.0.0.1:%[2]d;
		location / { return 200 "%[3]s"; }
	}
}
`

// nginx returns a server that answers hello, and a function that changes its configuration.
func nginx(t *testing.T, port int) (p *process.Process, configure func(answer string)) {
	server, dir := program(t, "nginx", "nginx-light"), t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777)) // its workers may run as another user
	config := filepath.Join(dir, "nginx.conf")
	configure = func(answer string) {
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, port, answer), 0o644))
	}
	configure("hello")
	return process.New(process.Spec{
		Command: func(child.Context) (*exec.Cmd, error) { return exec.Command(server, "-p", dir, "-c", config), nil },
		Ready:   process.Ready{Addr: fmt.Sprint("127.0.0.1:", port)},
		Signal:  syscall.SIGQUIT, // finish the requests first
		Logger:  quiet,
	}), configure
}

func get(port int) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	answer, err := client.Get(fmt.Sprint("http://127.0.0.1:", port))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// Its workers hold the port. If they were left, the next run could not have it.
func TestNginxWhoseMasterIsKilledIsRestartedOnTheSamePort(t *testing.T) {
	port := freePort(t)
	p, _ := nginx(t, port)
	hello := func() {
		t.Helper()
		answer, err := get(port)
		require.NoError(t, err)
		require.Equal(t, "hello", answer)
	}
	root := launch(t, p, child.Spec{})
	up := events(t, root, supervisor.EventReady)
	require.NoError(t, root.Start(soon(t)))
	next(t, up)
	hello()
	for range 3 {
		now, err := p.Current.Get(soon(t))
		require.NoError(t, err)
		require.NoError(t, now.Signal(syscall.SIGKILL))
		next(t, up)
		hello()
	}
	require.NoError(t, root.Stop(soon(t)))
}

func TestNginxReadsItsConfigurationAgain(t *testing.T) {
	port := freePort(t)
	p, configure := nginx(t, port)
	root := start(t, p, child.Spec{})
	// It listens before it handles signals. Its workers come after both.
	answer, err := get(port)
	require.NoError(t, err)
	require.Equal(t, "hello", answer)
	now, _ := p.Current.Load()
	configure("changed")
	require.NoError(t, now.Signal(syscall.SIGHUP))
	for soon := soon(t); ; {
		if answer, _ := get(port); answer == "changed" { // while it reloads, nginx resets connections
			break
		}
		require.NoError(t, soon.Err())
	}
	require.NoError(t, root.Stop(soon(t)))
	st, _ := root.Lookup("program")
	require.Zero(t, st.Restarts)
}

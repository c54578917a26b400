//go:build linux

package sdnotify

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The test binary is also the program that systemd activates.
func TestMain(m *testing.M) {
	if os.Getenv("COPPICE_TEST_ACTIVATED") != "" {
		activated()
		return
	}
	if mode := os.Getenv("COPPICE_TEST_SERVICE"); mode != "" {
		runService(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// activated prints what Listeners returns, answers one connection of each listener, and
// prints which sockets a process that it starts inherits.
func activated() {
	for range 2 { // the second call returns the same
		all, err := Listeners()
		fmt.Printf("%d listeners, error: %q\n", len(all), fmt.Sprint(err))
	}
	all, _ := Listeners()
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		if _, set := os.LookupEnv(name); set {
			fmt.Println(name, "is still set")
		}
	}
	inherits := exec.Command("sh", "-c", `for fd in 3 4 5 6 7 8 9; do if [ -S /proc/self/fd/$fd ]; then echo "it inherits descriptor $fd"; fi; done`)
	inherits.Stdout = os.Stdout
	if err := inherits.Run(); err != nil {
		fmt.Println(err)
	}
	fmt.Println("serving", slices.Sorted(maps.Keys(all)))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		conn, err := all[name].Accept()
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Fprintln(conn, "this is", name)
		conn.Close()
	}
}

// filer is a socket whose descriptor can be passed on.
type filer interface{ File() (*os.File, error) }

func fileOf(t *testing.T, socket any, err error) *os.File {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { socket.(io.Closer).Close() })
	file, err := socket.(filer).File()
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

// activate runs the program as systemd does, and returns what it prints.
func activate(t *testing.T, env string, files ...*os.File) *bufio.Scanner {
	t.Helper()
	cmd := exec.Command("sh", "-c", env+` exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "COPPICE_TEST_ACTIVATED=1")
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	run(t, cmd)
	return bufio.NewScanner(stdout)
}

// run starts a program, which must have ended well soon after the end of the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		require.NoError(t, cmd.Wait())
	})
}

// lines returns the lines up to the one that begins with until.
func lines(t *testing.T, out *bufio.Scanner, until string) (all []string) {
	t.Helper()
	for out.Scan() {
		if all = append(all, out.Text()); strings.HasPrefix(out.Text(), until) {
			return all
		}
	}
	require.Fail(t, "it ended early", "%q", all)
	return nil
}

func dialAndRead(t *testing.T, network, address string) string {
	t.Helper()
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(text)
}

const toThisProcess = "export LISTEN_PID=$$; "

func TestListenersHaveTheNamesOfTheirUnits(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	tcpFile := fileOf(t, tcp, err)
	path := filepath.Join(t.TempDir(), "admin")
	unix, err := net.Listen("unix", path)
	out := activate(t, toThisProcess+"export LISTEN_FDS=2 LISTEN_FDNAMES=web:admin.socket;", tcpFile, fileOf(t, unix, err))
	require.Equal(t, []string{
		`2 listeners, error: "<nil>"`, `2 listeners, error: "<nil>"`, "serving [admin.socket web]",
	}, lines(t, out, "serving"))
	require.Equal(t, "this is admin.socket\n", dialAndRead(t, "unix", path))
	require.Equal(t, "this is web\n", dialAndRead(t, "tcp", tcp.Addr().String()))
}

func TestWhatIsNoListenerIsAnErrorBesideTheOthers(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	tcpFile := fileOf(t, tcp, err)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	udpFile := fileOf(t, udp, err)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	defer read.Close()
	out := activate(t, toThisProcess+"export LISTEN_FDS=4 LISTEN_FDNAMES=dns:web:web:stored;", udpFile, tcpFile, tcpFile, read)
	const noListener = "not a listening stream socket: the socket unit needs ListenStream, and no Accept=yes"
	want := fmt.Sprintf("1 listeners, error: %q", "sdnotify: descriptor 3 (dns): "+noListener+
		"\nsdnotify: descriptor 5 (web): a second socket with that name: give each a socket unit, with a FileDescriptorName, of its own"+
		"\nsdnotify: descriptor 6 (stored): "+noListener)
	require.Equal(t, []string{want, want, "serving [web]"}, lines(t, out, "serving"))
	require.Equal(t, "this is web\n", dialAndRead(t, "tcp", tcp.Addr().String()))
}

func TestListenersThatAreNotMeantForThisProcessOrMakeNoSense(t *testing.T) {
	for env, want := range map[string]string{
		"":                                                "<nil>",
		"export LISTEN_FDS=1 LISTEN_PID=1;":               "<nil>",
		"export LISTEN_FDS=1;":                            "<nil>",
		toThisProcess:                                     "<nil>",
		toThisProcess + "export LISTEN_FDS=0;":            "<nil>",
		toThisProcess + "export LISTEN_FDS=-1;":           `sdnotify: LISTEN_FDS is "-1", want a number of descriptors`,
		toThisProcess + "export LISTEN_FDS=1e9;":          `sdnotify: LISTEN_FDS is "1e9", want a number of descriptors`,
		toThisProcess + "export LISTEN_FDS=999999999999;": `sdnotify: LISTEN_FDS is "999999999999", want a number of descriptors`,
	} {
		want := fmt.Sprintf("0 listeners, error: %q", want)
		require.Equal(t, []string{want, want, "serving []"}, lines(t, activate(t, env), "serving"), env)
	}
}

func TestDescriptorsThatDoNotExistEndTheSearch(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	out := activate(t, toThisProcess+"export LISTEN_FDS=60000;", fileOf(t, tcp, err))
	got := lines(t, out, "serving")
	require.Contains(t, got[0], "bad file descriptor")
	require.Less(t, len(got[0]), 2000)
	require.Equal(t, "serving [unknown]", got[2])
	require.Equal(t, "this is unknown\n", dialAndRead(t, "tcp", tcp.Addr().String()))
}

// A real counterpart, where there is one.
func TestListenersOfSystemdSocketActivate(t *testing.T) {
	tool, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("systemd-socket-activate is not installed")
	}
	dir := t.TempDir()
	web, admin := filepath.Join(dir, "web"), filepath.Join(dir, "admin")
	cmd := exec.Command(tool, "-l", web, "-l", admin, "--fdname=web:admin", "-E", "COPPICE_TEST_ACTIVATED=1", os.Args[0])
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	run(t, cmd)
	log := bufio.NewScanner(stderr)
	lines(t, log, "Listening on "+admin)
	go func() { // its pipe must not fill up
		for log.Scan() {
		}
	}()
	first, err := net.Dial("unix", admin) // the first connection activates the program
	require.NoError(t, err)
	defer first.Close()
	out := bufio.NewScanner(stdout)
	require.Equal(t, []string{
		`2 listeners, error: "<nil>"`, `2 listeners, error: "<nil>"`, "serving [admin web]",
	}, lines(t, out, "serving"))
	text, err := io.ReadAll(first)
	require.NoError(t, err)
	require.Equal(t, "this is admin\n", string(text))
	require.Equal(t, "this is web\n", dialAndRead(t, "unix", web))
}

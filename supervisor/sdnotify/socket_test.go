package sdnotify

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A socket plays the part of systemd's, in real time.
type socket struct {
	t    *testing.T
	conn *net.UnixConn
}

func listen(t *testing.T, address string) *socket {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil && strings.HasPrefix(address, "@") {
		t.Skip("abstract sockets are of Linux: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &socket{t, conn}
}

func (s *socket) receive() string {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(10*second)))
	buf := make([]byte, 8192)
	n, err := s.conn.Read(buf)
	require.NoError(s.t, err)
	return string(buf[:n])
}

// until returns the lines up to one that begins with prefix.
func (s *socket) until(prefix string) (lines []string) {
	s.t.Helper()
	for {
		got := strings.Split(s.receive(), "\n")
		lines = append(lines, got...)
		for _, line := range got {
			if strings.HasPrefix(line, prefix) {
				return lines
			}
		}
	}
}

// addresses returns one of each kind.
func addresses(t *testing.T) map[string]string {
	return map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@coppice/%s/%d", t.Name(), os.Getpid()),
	}
}

// forget makes the package forget what the environment said.
func forget(t *testing.T) {
	t.Cleanup(func() {
		found.mu.Lock()
		defer found.mu.Unlock()
		found.service = nil
	})
}

func TestRealSocketReceivesTheWholeLife(t *testing.T) {
	for kind, address := range addresses(t) {
		t.Run(kind, func(t *testing.T) {
			systemd := listen(t, address)
			forget(t)
			t.Setenv("NOTIFY_SOCKET", address)
			t.Setenv("WATCHDOG_USEC", "20000")
			t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
			root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}})
			stop := Watch(root)
			defer stop()
			for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
				_, set := os.LookupEnv(name)
				require.False(t, set, name)
			}
			require.Contains(t, systemd.until(extendKey), watchdogLine)
			require.NoError(t, root.Start(t.Context()))
			systemd.until(readyLine)
			systemd.until(watchdogLine)
			systemd.until(watchdogLine)
			done := Reloading()
			reload := systemd.until(reloadingLine)
			if before, ok := monotonic(); ok {
				var usec int64
				_, err := fmt.Sscanf(reload[len(reload)-1], monotonicKey+"%d", &usec)
				require.NoError(t, err)
				require.LessOrEqual(t, usec, before)
				require.Greater(t, usec, before-10*second.Microseconds())
			}
			done()
			systemd.until(readyLine)
			require.NoError(t, root.Stop(t.Context()))
			require.Contains(t, systemd.until(statusKey+"ended"), stoppingLine)
			stop()
		})
	}
}

// The queue of the socket is full, so a write blocks until its deadline.
func TestSocketThatIsNotReadFailsAWriteAfterASecond(t *testing.T) {
	for kind, address := range addresses(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			listen(t, address)
			send, err := dial(address)
			require.NoError(t, err)
			began := time.Now()
			for sent := 0; err == nil; sent++ {
				require.Less(t, sent, 1<<20, "the queue is never full")
				began = time.Now()
				err = send(readyLine)
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Less(t, time.Since(began), 5*writeTimeout)
		})
	}
}

func TestWithoutAManagerNothingHappens(t *testing.T) {
	forget(t)
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "1000000")
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}})
	stop := Watch(root)
	require.Nil(t, manager())
	require.Panics(t, func() { Watch(nil) })
	require.NoError(t, root.Start(t.Context()))
	Reloading()()
	require.NoError(t, root.Stop(t.Context()))
	stop()
	stop()
	_, set := os.LookupEnv("WATCHDOG_USEC")
	require.False(t, set)
}

func TestAddressThatIsNotSupportedIsReportedAndIgnored(t *testing.T) {
	for _, address := range []string{"relative", "vsock:2:1234", "@", "/", "\x1b[2J"} {
		_, err := dial(address)
		require.ErrorContains(t, err, "only an absolute path, or @ and a name, is supported")
	}
	forget(t)
	t.Setenv("NOTIFY_SOCKET", "vsock:2:1234")
	require.Nil(t, manager())
}

func TestAddressThatIsTooLongOrGoneIsAnError(t *testing.T) {
	for _, address := range []string{"/" + strings.Repeat("x", 200), filepath.Join(t.TempDir(), "gone")} {
		send, err := dial(address)
		require.NoError(t, err)
		require.Error(t, send(readyLine))
	}
}

func TestWatchdogTimeout(t *testing.T) {
	mine, other := fmt.Sprint(os.Getpid()), fmt.Sprint(os.Getpid()+1)
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {"x", "", 0}, {"-1", "", 0}, {"18446744073709551615", "", 0}, {"99999999999999999999", "", 0},
		{"30000000", "", 30 * second}, {"30000000", mine, 30 * second}, {"30000000", other, 0},
		{"1", "", minWatchdog}, {"18446744073709551614", "", 9_223_372_036_854_775 * time.Microsecond},
	} {
		require.Equal(t, c.want, watchdogTimeout(c.usec, c.pid), "%+v", c)
	}
}

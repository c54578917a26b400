package sdnotify

import (
	"fmt"
	"maps"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/coppice-go/coppice/internal/vitals"
)

// inherited is what Listeners found when it read the environment.
var inherited struct {
	mu        sync.Mutex
	listeners map[string]net.Listener
	err       error
}

// Listeners returns the sockets that systemd has opened for this process, by their
// FileDescriptorName, which by default is the name of the socket unit, such as "web.socket".
// The map is empty if there are none, so the result can be used as it is: without a
// Listener, an httpserver listens on its Addr.
//
//	sockets, err := sdnotify.Listeners()
//	if err != nil {
//		log.Fatal(err)
//	}
//	api := httpserver.New(httpserver.Spec{Server: newServer, Listener: sockets["api"]})
//
// A socket unit must have Accept=no, which is the default, and only one ListenStream, or a
// name would not say which is meant. Connections that arrive before the server is up, or
// between two runs of it, wait in the queue of the socket, also while the process is
// restarted.
//
// The first call reads the environment, and removes LISTEN_FDS, LISTEN_PID and
// LISTEN_FDNAMES from it; later calls return the same result. The descriptors are set to be
// closed in processes that this one starts. If something else than a listening stream socket
// was passed, such as a datagram socket, or a name is there twice, the error says so and the
// other listeners are returned with it; the descriptor stays open under its number.
//
// On systems other than Unix, Listeners always returns an empty map.
func Listeners() (map[string]net.Listener, error) {
	inherited.mu.Lock()
	defer inherited.mu.Unlock()
	count, set := take("LISTEN_FDS")
	pid, _ := take("LISTEN_PID")
	names, _ := take("LISTEN_FDNAMES")
	take("LISTEN_PIDFDID")
	if set && pid == strconv.Itoa(os.Getpid()) {
		inherited.listeners, inherited.err = listeners(count, names)
	}
	return maps.Clone(inherited.listeners), inherited.err
}

// firstPassed is the number of the first descriptor that systemd passes.
const firstPassed = 3

// maxPassed is more than systemd passes: see FileDescriptorStoreMax and the limit of open
// files.
const maxPassed = 1 << 16

// A fault is a problem with one of the descriptors.
type fault struct {
	fd   int
	name string
	err  error
}

func (f *fault) Error() string {
	return fmt.Sprintf("sdnotify: descriptor %d (%s): %v", f.fd, vitals.Line(f.name, 300), f.err)
}

func (f *fault) Unwrap() error { return f.err }

// passed returns the names of the descriptors that were passed.
func passed(count, names string) ([]string, error) {
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxPassed {
		return nil, fmt.Errorf("sdnotify: LISTEN_FDS is %q, want a number of descriptors", vitals.Line(count, 60))
	}
	all := make([]string, n)
	given := strings.Split(names, ":")
	for i := range all {
		all[i] = "unknown" // as systemd calls it
		if i < len(given) && given[i] != "" {
			all[i] = given[i]
		}
	}
	return all, nil
}

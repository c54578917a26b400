package sdnotify

import (
	"math"
	"os"
	"strconv"
	"sync"
	"time"
)

// found is what the environment said when it was read last.
var found struct {
	mu      sync.Mutex
	service *service
}

// manager returns the service that this process is for its manager, or nil if no manager
// wants notifications. The variables are removed once they are read, so that child
// processes do not take them for theirs.
func manager() *service {
	found.mu.Lock()
	address, set := take("NOTIFY_SOCKET")
	usec, _ := take("WATCHDOG_USEC")
	pid, _ := take("WATCHDOG_PID")
	var problem error
	if set {
		found.service = nil
		var send func(string) error
		if send, problem = dial(address); problem == nil {
			found.service = &service{send: send, watchdog: watchdogTimeout(usec, pid)}
		}
	}
	s := found.service
	found.mu.Unlock()
	if problem != nil {
		warn(nil, "sdnotify: cannot notify the service manager", "err", problem)
	}
	return s
}

// take reads and removes a variable.
func take(name string) (value string, set bool) {
	if value, set = os.LookupEnv(name); set {
		_ = os.Unsetenv(name) // it fails only for a name that is not legal
	}
	return value, set && value != ""
}

// minWatchdog keeps a nonsensical WATCHDOG_USEC from using up a processor.
const minWatchdog = 10 * time.Millisecond

// watchdogTimeout returns the value of WATCHDOG_USEC, or zero if there is no watchdog or it
// is meant for another process.
func watchdogTimeout(usec, pid string) time.Duration {
	n, err := strconv.ParseUint(usec, 10, 64)
	if err != nil || n == 0 || n == math.MaxUint64 || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return max(minWatchdog, time.Duration(min(n, uint64(math.MaxInt64/time.Microsecond)))*time.Microsecond)
}

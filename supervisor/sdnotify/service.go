package sdnotify

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Messages of the protocol. A datagram has one or more, each on a line.
const (
	readyLine     = "READY=1"
	stoppingLine  = "STOPPING=1"
	reloadingLine = "RELOADING=1"
	watchdogLine  = "WATCHDOG=1"
	statusKey     = "STATUS="
	extendKey     = "EXTEND_TIMEOUT_USEC="
	monotonicKey  = "MONOTONIC_USEC="
)

// A service is this process as its manager sees it.
type service struct {
	send     func(message string) error // one datagram, within writeTimeout
	watchdog time.Duration              // without a WATCHDOG=1 for that long, the process is killed; 0: never

	mu       sync.Mutex // also held while sending, so that messages keep their order
	log      *slog.Logger
	ready    bool // READY=1 was sent
	stopping bool // STOPPING=1 was sent
	reloads  int  // that are under way
	deaf     bool // the latest message could not be sent
}

// tell sends a message.
func (s *service) tell(lines ...string) error {
	s.mu.Lock()
	report, err := s.write(lines...)
	s.mu.Unlock()
	report()
	return err
}

// write sends a message. s.mu must be held. The caller must call report without it: an
// error is logged, but not again until a message could be sent.
func (s *service) write(lines ...string) (report func(), err error) {
	err = s.send(strings.Join(lines, "\n"))
	report = func() {}
	if err == nil {
		s.deaf = false
		for _, line := range lines {
			switch line {
			case readyLine:
				s.ready = true
			case stoppingLine:
				s.stopping = true
			}
		}
	} else if !s.deaf {
		s.deaf = true
		log := s.log
		report = func() { warn(log, "sdnotify: cannot notify the service manager", "err", err) }
	}
	return report, err
}

// started records that the root starts, perhaps again after its end.
func (s *service) started() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready, s.stopping = false, false
}

// owes returns the line that the manager must still receive for a root that is up, or for
// one that ends, or "".
func (s *service) owes(up, ends bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case up && !s.ready:
		return readyLine
	case ends && !s.stopping:
		return stoppingLine
	}
	return ""
}

// warn writes a line to the log. A handler that panics must not crash the process.
func warn(log *slog.Logger, text string, args ...any) {
	defer func() { _ = recover() }()
	if log == nil {
		log = slog.Default()
	}
	log.Warn(text, args...)
}

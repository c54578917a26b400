package main

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// story prints the output of a demo: the lines of the demo itself, and one for each failure in the tree.
type story struct {
	mu     sync.Mutex
	out    io.Writer
	began  time.Time
	kinds  map[supervisor.EventKind]int
	parent string        // path of a supervisor
	ends   chan<- string // receives the names of its children as they stop
}

func newStory(out io.Writer) *story {
	return &story{out: out, began: time.Now(), kinds: map[supervisor.EventKind]int{}}
}

func (s *story) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(format, args...)
}

func (s *story) line(format string, args ...any) {
	fmt.Fprintf(s.out, "%6.2fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// show prints a tree with indentation.
func (s *story) show(title string, tree supervisor.Tree) {
	s.tell("%s:\n\n    %s\n", title, strings.ReplaceAll(strings.TrimSpace(tree.String()), "\n", "\n    "))
}

// follow prints the failures of the tree until it is cancelled.
func (s *story) follow(root *supervisor.Supervisor) (cancel func()) {
	return root.Subscribe(s.event)
}

func (s *story) event(e supervisor.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds[e.Kind]++
	switch e.Kind {
	case supervisor.EventRestarting:
		s.line("%-28s %v; restarts in %v", e.Path, cause(e.Err), e.Delay.Round(time.Millisecond))
	case supervisor.EventStopped:
		if s.ends != nil && path.Dir(e.Path) == s.parent {
			select {
			case s.ends <- path.Base(e.Path):
			default: // a restart by hand, or -hold: stopInOrder has what it needs
			}
		}
	case supervisor.EventGaveUp, supervisor.EventAbandoned, supervisor.EventHung:
		s.line("%-28s %v: %v", e.Path, e.Kind, e.Err)
	}
}

// endsOf returns a channel that receives the names of the root's children as they stop from now on.
func (s *story) endsOf(root *supervisor.Supervisor) <-chan string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := make(chan string, len(root.Children()))
	s.parent, s.ends = root.Path(), ends
	return ends
}

// cause returns the crash that err wraps, or else err.
func cause(err error) error {
	var ordered crash
	if errors.As(err, &ordered) {
		return ordered
	}
	return err
}

// counts summarizes the events.
func (s *story) counts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%s, %s, %s stopped, %s completed, %d abandoned",
		plural(s.kinds[supervisor.EventFailed], "failure"), plural(s.kinds[supervisor.EventRestarting], "restart"),
		plural(s.kinds[supervisor.EventStopped], "run"), plural(s.kinds[supervisor.EventCompleted], "run"),
		s.kinds[supervisor.EventAbandoned])
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

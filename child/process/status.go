package process

import (
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
)

// measureEvery is the time between two looks at what the program uses.
const measureEvery = 10 * time.Second

// A status is the text that the child says of itself: the pid and the name of the program,
// what it uses, and what it says of itself. The arguments are not shown: they may have
// secrets.
type status struct {
	ctx  child.Context
	host *host

	uses string
	said string

	last usage
	at   time.Time // of last
}

// A usage is what a program uses, without the processes that it has started.
type usage struct {
	memory int64 // resident, in bytes
	cpu    time.Duration
}

func (s *status) say(text string) {
	s.said = text
	s.publish()
}

func (s *status) measure() {
	if uses, ok := s.host.usage(); ok {
		s.note(uses, time.Now())
	}
}

// note takes what the program uses at a moment. Two of them tell how busy it is.
func (s *status) note(uses usage, now time.Time) {
	s.uses = ", " + megabytes(uses.memory)
	if passed := now.Sub(s.at); !s.at.IsZero() && passed > 0 {
		s.uses += fmt.Sprintf(", CPU %d %%", 100*(uses.cpu-s.last.cpu)/passed)
	}
	s.last, s.at = uses, now
	s.publish()
}

func (s *status) publish() {
	text := fmt.Sprintf("pid %d %s%s", s.host.pid, oneline.Text(s.host.program), s.uses)
	if s.said != "" {
		text += ": " + s.said
	}
	s.ctx.Status(text)
}

func megabytes(bytes int64) string { return fmt.Sprintf("%d MB", (bytes+500_000)/1_000_000) }

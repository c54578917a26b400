package task

import (
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
)

// reportEvery is the shortest time between two status texts. Tasks may be much shorter.
const reportEvery = time.Second

// note arranges for a report, after a change of the numbers. It costs next to nothing if that
// is arranged already.
func (s *shift) note() {
	if !s.noted.Load() && s.noted.CompareAndSwap(false, true) {
		s.stale <- struct{}{} // never blocks: see report
	}
}

// report keeps the status text up to date until the pool is asked to stop.
func (s *shift) report() {
	for {
		s.ctx.Status(s.state().text())
		if child.Sleep(s.ctx, reportEvery) {
			return
		}
		select {
		case <-s.stale:
			s.noted.Store(false) // what changes from here on is reported next time
		case <-s.ctx.Done():
			return
		}
	}
}

func (s State) text() string {
	text := fmt.Sprintf("%d of %d running", s.Running, s.Limit)
	if s.Waiting > 0 {
		text += fmt.Sprintf(", %d waiting", s.Waiting)
	}
	text += fmt.Sprintf("; %d done", s.Done)
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d failed", s.Failed)
	}
	return text
}

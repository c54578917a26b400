package coppiceotel

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/child"
)

// sweep removes what events that were lost would have removed, when there may be much of
// it.
func (s *spans) sweep() {
	s.mu.Lock()
	n := len(s.runs)
	s.mu.Unlock()
	if n+len(s.stops) <= 2*s.alive+maxLedger {
		return
	}
	s.alive = s.endLost()
}

// endLost ends the spans of which no event will come: the start of a run that is not
// starting, the stop of a child that is not stopping. It returns the number of runs that
// are alive.
func (s *spans) endLost() int {
	alive, starting, stopping := make(map[uint64]bool), make(map[uint64]bool), make(map[string]bool)
	for st := range s.root.Tree().All() {
		if st.State.Alive() {
			alive[st.Run] = true
		}
		switch st.State {
		case child.Starting:
			starting[st.Run] = true
		case child.Stopping:
			stopping[st.Path] = true
		}
	}
	s.mu.Lock()
	var lost, gone []uint64
	for number, r := range s.runs {
		if !starting[number] && r.span != nil {
			lost = append(lost, number)
		}
		if !alive[number] {
			gone = append(gone, number)
		}
	}
	s.mu.Unlock()
	for _, number := range lost {
		s.startEnds(number, s.readyAt(number), nil)
	}
	for _, number := range gone {
		s.forget(number)
	}
	for path := range s.stops {
		if !stopping[path] {
			s.replace(path, time.Now())
		}
	}
	return len(alive)
}

// endAll ends all spans that are open.
func (s *spans) endAll() {
	s.events.Lock()
	defer s.events.Unlock()
	s.checkTree()
	s.endLost()
	now := time.Now()
	s.mu.Lock()
	s.ended = true
	tree := s.tree
	s.tree = nil
	var open []uint64
	for number, r := range s.runs {
		if r.span != nil {
			open = append(open, number)
		}
	}
	s.mu.Unlock()
	for _, number := range open {
		s.startEnds(number, now, nil)
	}
	for path := range s.stops {
		s.replace(path, now)
	}
	if tree != nil {
		tree.End(trace.WithTimestamp(now))
	}
}

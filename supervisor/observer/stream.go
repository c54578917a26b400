package observer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
)

const (
	mostStreams = 16
	// A stream sends at most a batch of events in a pause. Those that leave the ring before
	// their turn are counted as missed. So a storm costs a stream no more than this.
	batch = 500
	pause = 100 * time.Millisecond
	// Ticks are for a page, which asks again for what it shows.
	tickPause = 500 * time.Millisecond
	// Without events a stream sends a sign of life, so that a lost connection is noticed.
	quiet     = 15 * time.Second
	tickQuiet = 10 * time.Second
	// A client that does not read is given up.
	writeFor = 10 * time.Second
)

// serveStream sends the events as they come, as server-sent events. It ends at the earliest
// of the stop of the server, the end of the ctx of New, and the end of the request.
func (o *Observer) serveStream(w http.ResponseWriter, r *http.Request) error {
	p, err := pickerOf(r)
	if err != nil {
		return err
	}
	seen, err := o.position(r)
	if err != nil {
		return err
	}
	if o.streams.Add(1) > mostStreams {
		o.streams.Add(-1)
		return refuse(http.StatusServiceUnavailable, "there are %d streams already: close another page", mostStreams)
	}
	defer o.streams.Add(-1)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	s := &stream{w: w, c: http.NewResponseController(w), r: r, o: o, seen: seen, pick: p, ticks: r.URL.Query().Get("ticks") == "1"}
	defer s.c.SetWriteDeadline(time.Time{})
	if s.say(": a stream of coppice\n\n") {
		s.run()
	}
	return nil
}

// position returns the number of the last event that the client has.
func (o *Observer) position(r *http.Request) (uint64, error) {
	last := o.memory.latest()
	seen := last
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return 0, refuse(http.StatusBadRequest, "Last-Event-ID: not a number")
		}
		seen = n
	} else if n, ok, err := number(r, "seen"); err != nil {
		return 0, err
	} else if ok {
		seen = n
	}
	return min(seen, last), nil // a number of another process may be larger
}

// A stream is one client.
type stream struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	r     *http.Request
	o     *Observer
	seen  uint64 // number of the last event that it has
	pick  picker
	ticks bool
}

// run sends until the stream ends.
func (s *stream) run() {
	stopping := httpserver.Stopping(s.r.Context())
	between, silence := pause, quiet
	if s.ticks {
		between, silence = tickPause, tickQuiet
	}
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		changed := s.o.memory.waitFor(s.seen)
		if s.ticks && s.o.latest.behind(s.seen) {
			timer.Reset(tickPause) // those that have asked since the last tick must ask again
		} else {
			timer.Reset(silence)
		}
		silent, over := s.wait(changed, timer, stopping)
		if over || !s.send(silent) {
			return
		}
		timer.Reset(between)
		if _, over := s.wait(nil, timer, stopping); over {
			return
		}
	}
}

// wait waits for a change or the timer, and reports whether it was the timer, or the stream
// is over.
func (s *stream) wait(changed <-chan struct{}, timer *time.Timer, stopping <-chan struct{}) (timeout, over bool) {
	select {
	case <-changed:
		return false, false
	case <-timer.C:
		return true, false
	case <-stopping:
		s.bye("the server stops")
	case <-s.o.ctx.Done():
		s.bye("the observer has ended")
	case <-s.r.Context().Done():
	}
	return false, true
}

// send sends what is new, or a sign of life. It reports whether the client is there.
func (s *stream) send(alive bool) bool {
	if s.ticks {
		s.seen = s.o.memory.latest()
		return s.event(view.TickEvent, s.seen, view.Tick{Seq: s.seen}) && s.flush()
	}
	if alive {
		return s.say(": quiet\n\n")
	}
	records, gone := s.o.memory.after(s.seen, batch)
	if gone > 0 {
		missed := view.Missed{N: gone}
		s.seen += gone
		if len(records) > 0 {
			missed.To = records[0].at
			s.seen = records[0].seq - 1
		}
		if !s.event(view.MissedEvent, s.seen, missed) {
			return false
		}
	}
	for i := range records {
		rec := &records[i]
		s.seen = rec.seq
		if s.pick.picks(rec) && !s.event("", rec.seq, rec.view()) {
			return false
		}
	}
	return s.flush()
}

// bye is the last event.
func (s *stream) bye(why string) {
	if s.event(view.ByeEvent, s.seen, view.Bye{Text: why}) {
		s.flush()
	}
}

func (s *stream) event(name string, id uint64, data any) bool {
	text, err := json.Marshal(data)
	if err != nil {
		return false // impossible: all of it is plain data
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	return s.write(fmt.Appendf(nil, "%sid: %d\ndata: %s\n\n", name, id, oneline.JSON(text)))
}

func (s *stream) say(text string) bool { return s.write([]byte(text)) && s.flush() }

func (s *stream) write(text []byte) bool {
	_ = s.c.SetWriteDeadline(time.Now().Add(writeFor)) // without deadlines, the server's own must do
	_, err := s.w.Write(text)
	return err == nil
}

func (s *stream) flush() bool { return s.c.Flush() == nil }

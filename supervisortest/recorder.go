package supervisortest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// A Recorder keeps the events of a tree, the last ten thousand of them, and
// waits for them. It reads them like a book: Await and Order go on behind the
// event that the last one has found, so that what has been seen once is not
// taken for news.
type Recorder struct {
	sup    *supervisor.Supervisor
	cancel func()
	began  time.Time
	made   testkit.Bubble

	mu      sync.Mutex
	events  []supervisor.Event
	dropped int           // that came before events[0]
	next    int           // where to read on, counted from the first of all
	shown   bool          // a failure has printed it
	news    chan struct{} // closed by the next event
}

// maxRecorded is how many events a Recorder keeps.
const maxRecorded = 10_000

// Record returns a recorder of a tree's events: from its beginning if Start or
// Run has started it, else from now on. To see the beginning of another, call it
// before the start. It works in and out of a bubble.
func Record(t testing.TB, sup *supervisor.Supervisor) *Recorder {
	t.Helper()
	if sup == nil {
		t.Fatalf("Record: nil supervisor: give it what supervisor.New or supervisortest.Start returns")
		return nil
	}
	if tr := testkit.Of(sup); tr != nil {
		if events, ok := tr.Events.(*Recorder); ok {
			return events
		}
	}
	r := newRecorder(sup)
	t.Cleanup(r.cancel)
	return r
}

func newRecorder(sup *supervisor.Supervisor) *Recorder {
	r := &Recorder{sup: sup, began: time.Now(), made: testkit.Here(), news: make(chan struct{})}
	r.cancel = sup.Subscribe(r.add)
	return r
}

func (r *Recorder) add(e supervisor.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == maxRecorded {
		half := maxRecorded / 2
		r.events = append([]supervisor.Event(nil), r.events[half:]...)
		r.dropped += half
	}
	r.events = append(r.events, e)
	close(r.news)
	r.news = make(chan struct{})
}

// Await waits for the next event that fits, and returns it. It fails the test,
// with all that has happened so far, if there is none within 10 s, or, in a
// bubble, within two days of virtual time.
func (r *Recorder) Await(t testing.TB, m Match) supervisor.Event {
	t.Helper()
	return r.AwaitAll(t, m)[0]
}

// AwaitAll waits until each match has an event of its own, in any order, and
// returns them in the order of the matches.
func (r *Recorder) AwaitAll(t testing.TB, all ...Match) []supervisor.Event {
	t.Helper()
	if err := r.made.Elsewhere("the recorder"); err != nil {
		t.Fatalf("await: %v", err)
		return make([]supervisor.Event, len(all))
	}
	limit := testkit.Patience()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		found, missing, news := r.find(all)
		if missing == nil {
			return found
		}
		select {
		case <-news:
		case <-timer.C:
			t.Fatalf("await: no %v within %v.%s\n%v", missing, limit, r.unknown(missing), r.show())
			return found
		}
	}
}

// find looks for an event for each match. If all have one, reading goes on
// behind the last.
func (r *Recorder) find(all []Match) (found []supervisor.Event, missing *Match, news <-chan struct{}) {
	root := r.sup.Path()
	r.mu.Lock()
	defer r.mu.Unlock()
	found = make([]supervisor.Event, len(all))
	taken := make(map[int]bool, len(all))
	last := r.next - 1
	for i := range all {
		at := -1
		for j := max(r.next-r.dropped, 0); j < len(r.events) && at < 0; j++ {
			if !taken[j] && all[i].fits(&r.events[j], root) {
				at = j
			}
		}
		if at < 0 {
			return found, &all[i], r.news
		}
		taken[at], found[i] = true, r.events[at]
		last = max(last, r.dropped+at)
	}
	r.next = last + 1
	return found, nil, nil
}

// unknown says what is wrong with a match that cannot fit, as far as can be told.
func (r *Recorder) unknown(m *Match) string {
	if m.Path == "" {
		return ""
	}
	path := fullPath(r.sup.Path(), m.Path)
	for st := range r.sup.Tree().All() {
		if st.Path == path {
			return ""
		}
	}
	return fmt.Sprintf(" There is no child %s in the tree now.", path)
}

// Order checks that events come in the given order. A line is a kind of event
// and a path, as in
//
//	events.Order(t, "start db", "ready db", "start api", "ready api")
//
// and the short forms start, fail, restart, complete, stop, abandon, remove and
// give-up stand for starting, failed and so on. Of all events behind the last one
// found it looks at those that some line names, waits for as many as there are
// lines, and wants them to be these lines: one that is too early, or comes twice,
// fails the test, and so does one that is not there within 10 s, or two days of
// virtual time.
func (r *Recorder) Order(t testing.TB, lines ...string) {
	t.Helper()
	if len(lines) == 0 {
		t.Fatalf(`order: no lines: say what is to happen, as "start db", "ready db"`)
		return
	}
	want := make([]Match, len(lines))
	for i, line := range lines {
		m, err := parseMatch(line)
		if err != nil {
			t.Fatalf("order: %v", err)
			return
		}
		want[i] = m
	}
	if err := r.made.Elsewhere("the recorder"); err != nil {
		t.Fatalf("order: %v", err)
		return
	}
	limit := testkit.Patience()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		right, wrong, news := r.compare(want)
		switch {
		case wrong != nil:
			t.Fatalf("order: event %d: want %q, got %q.\n%v", right+1, lines[right], wrong.String(), r.show())
			return
		case right == len(want):
			return
		}
		select {
		case <-news:
		case <-timer.C:
			t.Fatalf("order: no %q within %v.%s\n%v", lines[right], limit, r.unknown(&want[right]), r.show())
			return
		}
	}
}

// compare returns how many of the wanted events have come, and the first that is
// not the one wanted. If all have come, reading goes on behind the last.
func (r *Recorder) compare(want []Match) (right int, wrong *supervisor.Event, news <-chan struct{}) {
	root := r.sup.Path()
	r.mu.Lock()
	defer r.mu.Unlock()
	for j := max(r.next-r.dropped, 0); j < len(r.events); j++ {
		e := &r.events[j]
		if want[right].fits(e, root) {
			if right++; right == len(want) {
				r.next = r.dropped + j + 1
				return right, nil, nil
			}
			continue
		}
		for i := range want {
			if want[i].fits(e, root) {
				return right, e, nil
			}
		}
	}
	return right, nil, r.news
}

// Skip takes all that has happened so far as read: Await and Order go on behind it.
func (r *Recorder) Skip() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = r.dropped + len(r.events)
}

// Events returns what has happened so far.
func (r *Recorder) Events() []supervisor.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]supervisor.Event(nil), r.events...)
}

// show is String for a message that fails the test.
func (r *Recorder) show() string {
	text := r.String()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = true
	return text
}

// wasShown reports whether the test's log has it.
func (r *Recorder) wasShown() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown
}

// String returns what has happened so far, a line for each event, with the time
// since the recording began.
func (r *Recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var text strings.Builder
	fmt.Fprintf(&text, "what happened in %s:", r.sup.Path())
	if r.dropped > 0 {
		fmt.Fprintf(&text, "\n  (%d events before)", r.dropped)
	}
	for i := range r.events {
		fmt.Fprintf(&text, "\n  %8v  %s", r.events[i].Time.Sub(r.began).Round(time.Millisecond), r.events[i])
	}
	if len(r.events) == 0 {
		text.WriteString("\n  nothing")
	}
	return text.String()
}

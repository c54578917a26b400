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

// A Recorder keeps the last ten thousand events of a tree, and waits for events. It has a
// read position: Await, AwaitAll and Order look only at events after the last one that
// they have found, so an event is found at most once.
type Recorder struct {
	sup    *supervisor.Supervisor
	cancel func()
	began  time.Time
	made   testkit.Bubble

	mu      sync.Mutex
	events  []supervisor.Event
	dropped int           // the number of events before events[0]
	next    int           // the read position, counted from the first event of all
	shown   bool          // a failure has printed the events
	news    chan struct{} // closed by the next event
}

// maxRecorded is how many events a Recorder keeps.
const maxRecorded = 10_000

// Record returns a recorder of a tree's events. If Start or Run has started the tree, the
// recorder has its events from the beginning; otherwise it records from now on, so call
// Record before the supervisor starts. It works inside a bubble and outside.
func Record(t testing.TB, sup *supervisor.Supervisor) *Recorder {
	t.Helper()
	if sup == nil {
		t.Fatalf("Record: sup is nil: pass the result of supervisor.New or supervisortest.Start")
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

// Await waits for the next event that matches m, and returns it. If none comes within
// 10 s, or within two days of virtual time in a bubble, it fails the test and prints all
// events so far.
func (r *Recorder) Await(t testing.TB, m Match) supervisor.Event {
	t.Helper()
	return r.AwaitAll(t, m)[0]
}

// AwaitAll waits for one event for each match, in any order, and returns the events in the
// order of the matches. It fails the test as Await does.
func (r *Recorder) AwaitAll(t testing.TB, all ...Match) []supervisor.Event {
	t.Helper()
	if err := r.made.Elsewhere("the recorder"); err != nil {
		t.Fatalf("Await: %v", err)
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
			t.Fatalf("Await: no %v within %v.%s\n%v", missing, limit, r.unknown(missing), r.show())
			return found
		}
	}
}

// find looks for an event for each match. If all have one, the read position moves behind
// the last.
func (r *Recorder) find(all []Match) (found []supervisor.Event, missing *Match, news <-chan struct{}) {
	root := r.sup.Path()
	r.mu.Lock()
	defer r.mu.Unlock()
	found = make([]supervisor.Event, len(all))
	unread := r.events[max(r.next-r.dropped, 0):]
	owners := make(map[int]int, len(all)) // of events: the match that has taken it
	var take func(i int, tried map[int]bool) bool
	take = func(i int, tried map[int]bool) bool {
		for j := range unread {
			if tried[j] || !all[i].fits(&unread[j], root) {
				continue
			}
			tried[j] = true
			if owner, taken := owners[j]; !taken || take(owner, tried) { // its owner takes another
				owners[j] = i
				return true
			}
		}
		return false
	}
	for i := range all {
		if !take(i, make(map[int]bool)) {
			return found, &all[i], r.news
		}
	}
	last := r.next - 1
	for j, i := range owners {
		found[i] = unread[j]
		last = max(last, r.dropped+max(r.next-r.dropped, 0)+j)
	}
	r.next = last + 1
	return found, nil, nil
}

// unknown says so if the tree has no child at the path of the match.
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

// Order checks that events come in the given order. A line is a kind of event and a path:
//
//	events.Order(t, "start db", "ready db", "start api", "ready api")
//
// The short forms start, fail, restart, complete, stop, abandon, remove and give-up stand
// for starting, failed and so on. Order looks at the events after the read position that
// match any of the lines, and ignores others. It waits for as many of them as there are
// lines. The test fails if one comes too early or twice, or does not come within 10 s, or
// within two days of virtual time in a bubble.
func (r *Recorder) Order(t testing.TB, lines ...string) {
	t.Helper()
	if len(lines) == 0 {
		t.Fatalf(`Order: no lines: pass the expected events, such as "start db", "ready db"`)
		return
	}
	want := make([]Match, len(lines))
	for i, line := range lines {
		m, err := parseMatch(line)
		if err != nil {
			t.Fatalf("Order: %v", err)
			return
		}
		want[i] = m
	}
	if err := r.made.Elsewhere("the recorder"); err != nil {
		t.Fatalf("Order: %v", err)
		return
	}
	limit := testkit.Patience()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		right, wrong, news := r.compare(want)
		switch {
		case wrong != nil:
			t.Fatalf("Order: event %d: want %q, got %q.\n%v", right+1, lines[right], wrong.String(), r.show())
			return
		case right == len(want):
			return
		}
		select {
		case <-news:
		case <-timer.C:
			t.Fatalf("Order: no %q within %v.%s\n%v", lines[right], limit, r.unknown(&want[right]), r.show())
			return
		}
	}
}

// compare returns how many of the wanted events have come, and the first event that is
// out of order. If all have come, the read position moves behind the last.
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

// Skip moves the read position behind all events so far.
func (r *Recorder) Skip() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = r.dropped + len(r.events)
}

// Events returns a copy of the events so far, whatever the read position.
func (r *Recorder) Events() []supervisor.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]supervisor.Event(nil), r.events...)
}

// show is String for a failure, and notes that the test's log has the events.
func (r *Recorder) show() string {
	text := r.String()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = true
	return text
}

// wasShown reports whether the test's log has the events.
func (r *Recorder) wasShown() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown
}

// String returns the events so far, one a line, each with the time since the recording
// began.
func (r *Recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var text strings.Builder
	fmt.Fprintf(&text, "events of %s:", r.sup.Path())
	if r.dropped > 0 {
		fmt.Fprintf(&text, "\n  (%d earlier events dropped)", r.dropped)
	}
	for i := range r.events {
		fmt.Fprintf(&text, "\n  %8v  %s", r.events[i].Time.Sub(r.began).Round(time.Millisecond), r.events[i])
	}
	if len(r.events) == 0 {
		text.WriteString("\n  none")
	}
	return text.String()
}

package blackbox

import (
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

const (
	textsAtOnce = 1000            // status texts that are recorded at once
	textEvery   = 5 * time.Second // after that, one in so long
	maxWaiting  = 1000            // children whose latest text waits
)

// statusTexts decides which status texts are recorded. A child may say something new many times a
// second, which must not displace why another child has failed. So texts are recorded within
// a rate that all children share. Beyond it, the latest text of a child waits, and is
// recorded before the next other event of that child: it is what the child said last.
type statusTexts struct {
	left    int       // that may be recorded now
	since   time.Time // from when the next one counts
	waiting map[string]supervisor.Event
}

// admits reports whether the event is recorded now. Otherwise it may wait.
func (t *statusTexts) admits(e *supervisor.Event) bool {
	if e.Kind != supervisor.EventStatus {
		return true
	}
	switch more := e.Time.Sub(t.since) / textEvery; {
	case t.since.IsZero(), more >= textsAtOnce:
		t.left, t.since = textsAtOnce, e.Time
	case more > 0:
		t.left, t.since = min(t.left+int(more), textsAtOnce), t.since.Add(more*textEvery)
	}
	if t.left > 0 {
		t.left--
		delete(t.waiting, e.Path)
		return true
	}
	if _, waits := t.waiting[e.Path]; waits || len(t.waiting) < maxWaiting {
		if t.waiting == nil {
			t.waiting = make(map[string]supervisor.Event)
		}
		t.waiting[e.Path] = *e
	}
	return false
}

// before returns the text that must be recorded before the event, if there is one.
func (t *statusTexts) before(e *supervisor.Event) (text supervisor.Event, waits bool) {
	if e.Kind != supervisor.EventStatus {
		if text, waits = t.waiting[e.Path]; waits {
			delete(t.waiting, e.Path)
		}
	}
	return text, waits
}

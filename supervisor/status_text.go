package supervisor

import (
	"strings"
	"unicode/utf8"
)

// maxStatusText limits the status text of a child, in bytes.
const maxStatusText = 200

// Status publishes the text only if it has changed. The event carries the text of that
// moment; subscription.putText replaces it while the event waits in the queue.
func (r *run) Status(text string) {
	text = statusText(text)
	r.life.lock()
	defer r.life.mu.Unlock()
	if r.rareFields().text == text || r.hasReturned() || r.rareFields().abandoned != nil || r.life.isOver() {
		return
	}
	r.ensureRare().text, r.child.Said = text, text != ""
	r.life.publish(&Event{Kind: EventStatus, Text: text}, r)
}

// statusText returns the first line of a text, cut to maxStatusText at the end of a
// character. The result does not keep a long text from being collected.
func statusText(text string) string {
	first, _, cut := strings.Cut(text, "\n")
	if len(first) > maxStatusText {
		end := maxStatusText - len("…")
		for end > 0 && !utf8.RuneStart(first[end]) {
			end--
		}
		return first[:end] + "…"
	}
	if cut {
		return strings.Clone(first)
	}
	return first
}

package coppiceotel

import "go.opentelemetry.io/otel/trace"

// A ledger remembers the spans that events led to, so that what follows from an event can
// link to its span. It holds the latest ones only.
type ledger struct {
	spans map[uint64]trace.SpanContext // by Event.Seq
	order []uint64                     // a ring: the numbers in spans, oldest at next
	next  int
	last  uint64
}

// maxLedger is the number of events that a ledger remembers.
const maxLedger = 4096

// note records which span an event led to. Numbers start over with each start of the root;
// then everything before is forgotten.
func (l *ledger) note(seq uint64, span trace.SpanContext) {
	if !span.IsValid() || seq == 0 {
		return
	}
	if l.spans == nil {
		l.spans = make(map[uint64]trace.SpanContext)
	}
	if len(l.order) < maxLedger {
		l.order = append(l.order, seq)
	} else {
		delete(l.spans, l.order[l.next])
		l.order[l.next] = seq
		l.next = (l.next + 1) % maxLedger
	}
	l.spans[seq] = span
}

// reached records that the events have come to this number.
func (l *ledger) reached(seq uint64) {
	if seq <= l.last {
		l.spans, l.order, l.next = nil, nil, 0
	}
	l.last = seq
}

// of returns the span that an event led to, or an invalid one.
func (l *ledger) of(seq uint64) trace.SpanContext { return l.spans[seq] }

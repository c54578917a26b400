package observer

import (
	"iter"
	"sort"
	"time"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// A record is an event as it is remembered. It refers to nothing of the program: errors are
// text.
type record struct {
	seq  uint64 // number in the memory: 1, 2, 3; it does not start over with the root
	tree uint64 // supervisor.Event.Seq

	// because is the seq of the event that led to it; zero if there is none, or it is not
	// known. Until memory.number it is supervisor.Event.Because.
	because uint64

	at    time.Time
	path  string
	err   string
	cause string // the text of causeOf, if that is not err
	text  string
	by    string
	run   uint64
	lost  uint64
	delay time.Duration

	restarts int
	kind     supervisor.EventKind
	reason   supervisor.Reason
	ready    bool
}

// recordOf converts an event. It calls a method of the error, so no lock may be held.
func recordOf(e *supervisor.Event) record {
	rec := record{
		tree: e.Seq, at: e.Time, path: e.Path, run: e.Run, lost: e.Lost, delay: e.Delay, because: e.Because,
		restarts: e.Restarts, kind: e.Kind, reason: e.Reason, ready: e.Ready,
	}
	if e.Err != nil {
		rec.err = about(e.Path, e.Err)
		if cause, other := causeOf(e.Err); other {
			rec.cause = about(e.Path, cause)
		}
	}
	if e.Text != "" {
		rec.text = brief(e.Text)
	}
	if e.By != "" {
		rec.by = brief(e.By)
	}
	return rec
}

// size is about the memory that a record takes.
func (rec *record) size() int {
	const fixed = 200
	return fixed + len(rec.path) + len(rec.err) + len(rec.cause) + len(rec.text) + len(rec.by)
}

func (rec *record) view() view.Event {
	e := view.Event{
		Seq: rec.seq, Time: rec.at, Kind: rec.kind, Path: rec.path, Run: rec.run, Restarts: rec.restarts, Ready: rec.ready,
		Err: rec.err, Text: rec.text, Lost: rec.lost, Reason: rec.reason, By: rec.by, Because: rec.because,
	}
	if rec.delay > 0 {
		e.Delay = rec.delay.String()
	}
	return e
}

// A ring holds the latest records. It is bounded by their number and by their size, and
// grows up to that as needed.
type ring struct {
	records     []record
	head, count int
	size        int
	most        int  // records
	dropped     bool // some record
}

// perRecord is how many bytes a record may take on average.
const perRecord = 512

func (q *ring) at(i int) *record { return &q.records[(q.head+i)%len(q.records)] }

// push adds a record and drops the oldest ones as needed.
func (q *ring) push(rec *record) {
	q.size += rec.size()
	for q.count > 0 && (q.count >= q.most || q.size > q.most*perRecord) {
		oldest := q.at(0)
		q.size -= oldest.size()
		q.dropped = true
		*oldest = record{}
		q.head = (q.head + 1) % len(q.records)
		q.count--
	}
	if q.count == len(q.records) {
		grown := make([]record, min(max(16, 2*q.count), q.most))
		for i := range q.count {
			grown[i] = *q.at(i)
		}
		q.records, q.head = grown, 0
	}
	q.records[(q.head+q.count)%len(q.records)] = *rec
	q.count++
}

// after returns the index of the first record with a number greater than seq.
func (q *ring) after(seq uint64) int {
	return sort.Search(q.count, func(i int) bool { return q.at(i).seq > seq })
}

// merged returns an iterator over the records of some rings with a number greater than seq,
// in order. A record that is in several of them comes once.
func merged(seq uint64, rings ...*ring) iter.Seq[*record] {
	return func(yield func(*record) bool) {
		at := make([]int, len(rings))
		for i, q := range rings {
			at[i] = q.after(seq)
		}
		for {
			var next *record
			for i, q := range rings {
				if at[i] < q.count && q.at(at[i]).seq <= seq { // it came from another ring
					at[i]++
				}
				if at[i] < q.count && (next == nil || q.at(at[i]).seq < next.seq) {
					next = q.at(at[i])
				}
			}
			if next == nil || !yield(next) {
				return
			}
			seq = next.seq
		}
	}
}

// ofTree returns the number of the record of the event with that number in the tree, among
// the records from number first on, or zero.
func (q *ring) ofTree(tree, first uint64) uint64 {
	from := 0
	if first > 0 {
		from = q.after(first - 1)
	}
	i := from + sort.Search(q.count-from, func(i int) bool { return q.at(from+i).tree >= tree })
	if i < q.count && q.at(i).tree == tree {
		return q.at(i).seq
	}
	return 0
}

package supervisor

import (
	"context"
	"strings"
)

// Watch returns a channel of events, for one child or a part of the tree: those
// of the child at path and of all below it, or with an empty path of all that
// Subscribe tells; of the given kinds, or of all if none is given. A path is a
// name, a path from this supervisor (jobs/job-17), or a full one within it. It
// need not be there yet.
//
//	for e := range root.Watch(ctx, "jobs", supervisor.EventFailed) {
//		log.Print(e.Path, ": ", e.Err)
//	}
//
// The channel has no room, but the queue that Subscribe describes stands before
// it: who receives too slowly holds up nobody, and Event.Lost says what was lost
// of the events asked for. It holds over all starts of the supervisor, until ctx
// ends; then the channel is closed, and what still waits is dropped. Serve and Stop do
// not wait for the receiver, which may be their caller: the last events can be received
// after them. With a nil ctx the channel is closed at once.
func (s *Supervisor) Watch(ctx context.Context, path string, only ...EventKind) <-chan Event {
	events := make(chan Event)
	if ctx == nil {
		close(events)
		return events
	}
	sub := newSubscription(func(e Event) {
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}, only)
	sub.at = path
	s.subs.add(sub)
	context.AfterFunc(ctx, func() {
		s.unsubscribe(sub) // which waits: nothing is sent any more
		close(events)
	})
	return events
}

// covers reports whether an event of the child at path is one that a
// subscription to the supervisor at base is about.
func (s *subscription) covers(base, path string) bool {
	if s.at == "" {
		return true
	}
	if !strings.HasPrefix(s.at, "/") {
		from, below := strings.CutPrefix(path, base)
		if !below || from == "" {
			return false
		}
		path = from[1:]
	}
	rest, under := strings.CutPrefix(path, s.at)
	return under && (rest == "" || rest[0] == '/')
}

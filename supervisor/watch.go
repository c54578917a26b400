package supervisor

import (
	"context"
	"strings"
)

// Watch returns a channel of the events of one child or a part of the tree: of the child
// at path and everything below it, or with an empty path of everything that Subscribe
// receives. If kinds are given, the channel carries only those. A path is a name, a path
// from this supervisor (jobs/job-17), or a full path within it. The child need not exist
// yet.
//
//	for e := range root.Watch(ctx, "jobs", supervisor.EventFailed) {
//		log.Print(e.Path, ": ", e.Err)
//	}
//
// The channel is unbuffered, but the queue that Subscribe describes stands before it: a
// slow receiver delays nothing, and Event.Lost counts the requested events that were
// dropped. The channel stays open over all starts of the supervisor until ctx ends. Then
// it is closed, and events that are still queued are dropped. Serve and Stop do not wait
// for the receiver, which may be their caller, so the last events can be received after
// they have returned. If ctx is nil, the channel is closed at once.
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
		s.unsubscribe(sub) // waits until nothing is sent any more
		close(events)
	})
	return events
}

// covers reports whether a subscription to the supervisor at base is for events of the
// child at path.
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

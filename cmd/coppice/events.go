package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// troubleKinds are the kinds that the server means by "trouble".
var troubleKinds = []supervisor.EventKind{
	supervisor.EventFailed, supervisor.EventHung, supervisor.EventGaveUp,
	supervisor.EventAbandoned, supervisor.EventUnready, supervisor.EventError,
}

func eventsCommand() *command {
	var (
		n      = 100
		follow bool
		kind   string
	)
	return &command{
		name: "events", url: needed, path: optional, timeout: readTimeout,
		short: "what happened, and what happens",
		long: `
Prints the last events that the observer remembers, the oldest first; with PATH, those
whose path begins with it. Several alike in a row are one line. With -f it goes on and
prints each event as it happens, until Ctrl-C. If the connection is lost it tries again,
and says how many events it has missed. If another process serves the page by then, and
has had fewer events, it prints those from their beginning.

-json prints one JSON object a line, and does not join events that are alike.`,
		flags: func(f *flag.FlagSet) {
			f.IntVar(&n, "n", n, "print the last `number` of events first; at most 1000")
			f.BoolVar(&follow, "f", false, "follow: print events as they happen")
			f.StringVar(&kind, "kind", "", "print only this `kind`, such as gave-up, or \"trouble\" for all that report trouble")
		},
		run: func(ctx context.Context, s *session) error {
			if n < 0 || n > 1000 {
				return usageError("-n must be between 0 and 1000")
			}
			want, err := wanted(s.path, kind)
			if err != nil {
				return err
			}
			query := url.Values{"n": {strconv.Itoa(max(n, 1))}}
			if s.path != "" {
				query.Set("path", s.path)
			}
			if kind != "" {
				query.Set("kind", kind)
			}
			if s.json {
				query.Set("fold", "0")
			}
			var events struct {
				To     time.Time         `json:"to"`
				Ring   view.Ring         `json:"ring"`
				Events []json.RawMessage `json:"events"`
			}
			if _, err := s.client.get(ctx, "events.json", query, &events); err != nil {
				return err
			}
			slices.Reverse(events.Events)
			for _, text := range events.Events[len(events.Events)-min(n, len(events.Events)):] {
				if err := s.printEvent(text, events.To, func(*view.Event) bool { return true }); err != nil {
					return err
				}
			}
			if !follow {
				return nil
			}
			return s.follow(ctx, events.Ring.Last, want)
		},
	}
}

// wanted returns which events of the stream to print.
func wanted(path, kind string) (func(*view.Event) bool, error) {
	kinds := troubleKinds
	if kind != "trouble" && kind != "" {
		var k supervisor.EventKind
		if err := k.UnmarshalText([]byte(kind)); err != nil {
			return nil, usageError("-kind: no kind %q: see package supervisor, EventKind", kind)
		}
		kinds = []supervisor.EventKind{k}
	}
	return func(e *view.Event) bool {
		return strings.HasPrefix(e.Path, path) && (kind == "" || slices.Contains(kinds, e.Kind))
	}, nil
}

// printEvent prints an event, if it is wanted. If now is zero, it has just happened.
func (s *session) printEvent(text json.RawMessage, now time.Time, want func(*view.Event) bool) error {
	var e view.Event
	if err := json.Unmarshal(text, &e); err != nil {
		return s.client.newer(err)
	}
	switch {
	case !want(&e):
	case s.json:
		s.printf("%s\n", text)
	default:
		if now.IsZero() {
			now = e.Time
		}
		s.print(eventLine(&e, now))
	}
	return s.out.err
}

// follow prints the events after a number as they happen, until ctx ends. It connects
// again if the connection is lost.
func (s *session) follow(ctx context.Context, after uint64, want func(*view.Event) bool) error {
	for wait := (retry{}); ; {
		err := s.client.stream(ctx, nil, after, wait.reset, func(m message) error {
			after = m.id
			switch m.name {
			case "":
				return s.printEvent(m.data, time.Time{}, want)
			case view.MissedEvent:
				var missed view.Missed
				if json.Unmarshal(m.data, &missed) == nil {
					s.warnf("%s missed", counted(missed.N, "event", "events"))
				}
			case view.ByeEvent:
				var bye view.Bye
				if json.Unmarshal(m.data, &bye) == nil && bye.Text != "" {
					return errors.New(clean(bye.Text))
				}
			}
			return nil
		})
		if ctx.Err() != nil || s.out.err != nil {
			return nil
		}
		if status := statusOf(err); status != exitReach {
			return err
		}
		delay := wait.next()
		s.warnf("coppice: %s. Trying again in %s", oneline.Of(err), short(delay))
		if !sleep(ctx, delay) {
			return nil
		}
		after = s.resume(ctx, after)
	}
}

// resume returns the number of the event after which to go on when the connection was lost.
// In another process, numbers start over.
func (s *session) resume(ctx context.Context, after uint64) uint64 {
	var events struct {
		Ring view.Ring `json:"ring"`
	}
	_, err := s.client.get(ctx, "events.json", url.Values{"n": {"1"}}, &events)
	if err != nil || events.Ring.Last >= after { // the stream will say what is wrong
		return after
	}
	s.warnf("coppice: another process serves the page now")
	return 0
}

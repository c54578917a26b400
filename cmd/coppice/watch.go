package main

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// What turns a terminal into a screen, and back: the other screen, no cursor, and no
// wrapping of long lines.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

func watchCommand() *command {
	return &command{
		name: "watch", url: needed, path: optional, timeout: readTimeout, noJSON: true,
		short: "the tree, as it changes",
		long: `
Shows the causes of trouble and the tree, or what is below PATH, and draws them again
when something changes, until Ctrl-C. If the tree is larger than the window, children
that are well are left out first. If the connection is lost, watch says so, shows what
it last knew, and tries again.

watch needs a terminal. In a script, use tree, or events with -f.

The exit status is that of what it showed last: 1 if something was not well, 3 if the
connection was lost.`,
		run: func(ctx context.Context, s *session) error {
			if !s.screen.terminal {
				return usageError("watch needs a terminal. In a script, use tree, or events -f")
			}
			w := &watcher{
				out: s.out, colour: s.screen.colour, size: s.screen.size, suspend: suspendSelf,
				resized: make(chan os.Signal, 1), suspended: make(chan os.Signal, 1), tick: time.Second,
			}
			notifyResize(w.resized)
			notifySuspend(w.suspended)
			last, err := w.watch(ctx, s.client, s.path)
			switch {
			case err != nil:
				return err
			case last == nil:
				return nil
			case last.lost != "":
				return &exitError{exitReach, nil}
			}
			return wellness(&last.tree.Head, last.tree.Tree, s.path != "")
		},
	}
}

// A watcher draws pictures on a terminal.
type watcher struct {
	out                io.Writer
	colour             bool
	size               func() (columns, rows int)
	suspend            func() // returns when the process is continued
	resized, suspended chan os.Signal
	tick               time.Duration // how often ages are drawn again
}

// watch draws pictures until ctx ends or the client gives up. It returns the last one, or
// nil if there was none.
func (w *watcher) watch(ctx context.Context, c *client, path string) (last *picture, err error) {
	ctx, cancel := context.WithCancel(ctx)
	news := make(chan picture)
	var end error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(news)
		end = c.pictures(ctx, path, func(p picture) {
			select {
			case news <- p:
			case <-ctx.Done():
			}
		})
	})
	defer reading.Wait()
	defer cancel()

	tick := time.NewTicker(w.tick)
	defer tick.Stop()
	entered := false
	defer func() {
		if entered {
			io.WriteString(w.out, leaveScreen)
		}
		if last != nil { // something to read once the screen is gone
			h := last.tree.Head
			h.Now = last.now(time.Now())
			io.WriteString(w.out, verdict(&h).render(w.colour)+"\n")
		}
	}()
	for {
		select {
		case p, ok := <-news:
			if !ok {
				return last, end
			}
			last = &p
		case <-tick.C:
		case <-w.resized:
		case <-w.suspended:
			if entered {
				io.WriteString(w.out, leaveScreen)
			}
			w.suspend()
			entered = false
		case <-ctx.Done():
			return last, nil
		}
		if last == nil {
			continue
		}
		if !entered {
			io.WriteString(w.out, enterScreen)
			entered = true
		}
		w.draw(last)
	}
}

// draw draws a picture in one write, so that it does not flicker.
func (w *watcher) draw(p *picture) {
	columns, rows := w.size()
	if columns < 1 || rows < 1 {
		columns, rows = 80, 24
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	lines := frame(p, time.Now(), columns, rows)
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		// Clearing comes first: behind the text it would take its last character away, if
		// that is in the last column.
		b.WriteString("\x1b[K" + l.render(w.colour))
	}
	if len(lines) < rows {
		b.WriteString("\r\n\x1b[J")
	}
	io.WriteString(w.out, b.String())
}

package main

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
)

// A picture is what watch knows about a tree.
type picture struct {
	tree *view.Tree // the latest; nil until there is one
	got  time.Time  // when it came, by the clock of this machine

	lost  string    // why there are no news; empty if there are
	since time.Time // since when
	retry time.Time // when the next attempt is made
}

// now returns the time of the server. It stands still while the connection is lost.
func (p *picture) now(local time.Time) time.Time {
	if p.lost != "" {
		return p.tree.Now
	}
	return p.tree.Now.Add(local.Sub(p.got))
}

const (
	// pause is how long to wait at least between two readings of the tree.
	pause = 500 * time.Millisecond
	// again is how long after a change the tree is read once more: requests that come close
	// together share a snapshot, which may be from just before the change.
	again = time.Second
)

// pictures reads the tree of a path whenever something has happened, at most twice a
// second, and calls show with each picture, until ctx ends, the server refuses, or there
// is no such child any more.
func (c *client) pictures(ctx context.Context, path string, show func(picture)) error {
	query := url.Values{}
	if path != "" {
		query.Set("path", path)
	}
	var p picture
	read := func() error {
		var tree view.Tree
		if _, err := c.get(ctx, "tree.json", query, &tree); err != nil {
			return err
		}
		if tree.Tree == nil {
			return c.noPage()
		}
		p.tree, p.got, p.lost = &tree, time.Now(), ""
		show(p)
		return nil
	}
	for wait := (retry{}); ; {
		err := read()
		if err == nil {
			err = c.onChange(ctx, p.tree.Ring.Last, wait.reset, read)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case p.tree == nil, statusOf(err) != exitReach: // the first attempt, or no use in another: refused, or no such child
			return err
		}
		delay := wait.next()
		if p.lost == "" {
			p.since = time.Now()
		}
		p.lost, p.retry = oneline.Of(err), time.Now().Add(delay)
		show(p)
		if !sleep(ctx, delay) {
			return nil
		}
	}
}

// onChange calls read for each change after the event of a number, until read returns an
// error or the stream ends. It never returns nil.
func (c *client) onChange(ctx context.Context, after uint64, opened func(), read func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- c.stream(ctx, url.Values{"ticks": {"1"}}, after, opened, func(m message) error {
			if m.name == view.ByeEvent {
				return errors.New("the server is stopping")
			}
			select {
			case changed <- struct{}{}:
			default: // the next reading sees this one too
			}
			return nil
		})
	}()
	last := time.Now() // when the tree was read
	once := time.NewTimer(again)
	defer once.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-changed:
			once.Reset(again + pause)
		case <-once.C:
		}
		err := error(nil)
		if sleep(ctx, pause-time.Since(last)) {
			err = read()
			last = time.Now()
		}
		if err != nil {
			cancel()
			<-ended
			return err
		}
	}
}

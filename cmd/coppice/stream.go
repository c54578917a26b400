package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxMessage bounds a message of the stream. Longer ones are an error.
	maxMessage = 1 << 20
	// silence is how long a stream may say nothing. The server sends a comment or a tick
	// at least every fifteen seconds.
	silence = 30 * time.Second
)

var errSilent = errors.New("the server has said nothing for " + silence.String())

// A message is a server-sent event.
type message struct {
	id   uint64 // of the latest message that had one
	name string // empty: an event
	data []byte
}

// stream reads server-sent events after a number. It calls opened when there is a
// connection, and each with every message, until ctx ends, each returns an error, or the
// connection is lost. It never returns nil.
func (c *client) stream(ctx context.Context, query url.Values, after uint64, opened func(), each func(message) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alarm := time.AfterFunc(c.timeout, func() { cancel(errTimeout{c.timeout}) })
	defer alarm.Stop()

	req, err := c.request(ctx, http.MethodGet, "events", query, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	// Also for zero: without it the stream begins with the next event, and one that has
	// happened since the caller looked would be missing.
	req.Header.Set("Last-Event-ID", strconv.FormatUint(after, 10))
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.problem(resp)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		return c.noPage()
	}
	alarm.Stop()
	opened()
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	body := alive{resp.Body, quiet}
	err = readMessages(body, after, each)
	var said *exitError
	if errors.As(err, &said) {
		return err
	}
	return c.unreachable(ctx, err)
}

// alive puts off an alarm with each read.
type alive struct {
	r     io.Reader
	alarm *time.Timer
}

func (a alive) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.alarm.Reset(silence)
	return n, err
}

// readMessages parses a stream of server-sent events.
func readMessages(r io.Reader, id uint64, each func(message) error) error {
	in := bufio.NewReaderSize(r, 16<<10)
	m := message{id: id}
	for {
		text, err := readLine(in, maxMessage)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			if m.data != nil {
				m.data = safeJSON(m.data)
				if err := each(m); err != nil {
					return err
				}
			}
			m = message{id: m.id}
			continue
		}
		field, value, _ := bytes.Cut(text, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			if n, err := strconv.ParseUint(string(value), 10, 64); err == nil {
				m.id = n
			}
		case "event":
			m.name = string(value)
		case "data":
			if m.data != nil {
				m.data = append(m.data, '\n')
			}
			if m.data = append(m.data, value...); len(m.data) > maxMessage {
				return errTooLong
			}
			if m.data == nil {
				m.data = []byte{}
			}
		}
	}
}

var errTooLong = errors.New("a message is longer than 1 MB")

// readLine reads a line without its end.
func readLine(in *bufio.Reader, most int) ([]byte, error) {
	var text []byte
	for {
		part, more, err := in.ReadLine()
		if err == io.EOF {
			return nil, errors.New("the server has closed the stream")
		}
		if err != nil {
			return nil, err
		}
		if text = append(text, part...); len(text) > most {
			return nil, errTooLong
		}
		if !more {
			return text, nil
		}
	}
}

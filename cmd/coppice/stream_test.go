package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// messages returns what is read of a stream, and how it ended.
func messages(r io.Reader) (all []message, err error) {
	err = readMessages(r, 3, func(m message) error {
		all = append(all, m)
		return nil
	})
	return all, err
}

func TestMessagesOfAStream(t *testing.T) {
	text := ": hello\n\n" +
		"id: 4\ndata: {\"a\":1}\n\n" +
		"event: tick\r\nid:5\r\ndata:{}\r\n\r\n" +
		"data: {\"a\":\ndata: 1}\n\n" + // keeps the id
		"id: none\nretry: 7\ndata: \u009b\xff\n\n" +
		"event: empty\n\n" + // no data: no message
		"data: unfinished\n"
	want := []message{
		{id: 4, data: []byte(`{"a":1}`)},
		{id: 5, name: "tick", data: []byte(`{}`)},
		{id: 5, data: []byte("{\"a\":\n1}")},
		{id: 5, data: []byte("\\u009b\uFFFD")},
	}
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		got, err := messages(r)
		require.EqualError(t, err, "the server has closed the stream")
		require.Equal(t, want, got)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	line := strings.Repeat("x", maxMessage)
	got, err := messages(strings.NewReader("data: " + line + "\n\n"))
	require.ErrorIs(t, err, errTooLong)
	require.Empty(t, got)
	got, err = messages(strings.NewReader("data: " + line[10:] + "\ndata: " + line[:100] + "\n\n"))
	require.ErrorIs(t, err, errTooLong)
	require.Empty(t, got)
	got, err = messages(io.LimitReader(endless{}, 1<<30))
	require.ErrorIs(t, err, errTooLong)
	require.Empty(t, got)
}

// endless is a line that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{'a'}, len(p))), nil }

// following runs events -f against a wire.
func followingEvents(t *testing.T, w *wire, args ...string) (out, stderr *terminal, stop func() error) {
	out, stderr = &terminal{}, &terminal{}
	s := &session{out: &output{w: out}, err: stderr}
	require.NoError(t, s.parse(find("events"), append([]string{"http://shop/debug/coppice", "-f"}, args...)))
	s.client.http.Transport = w
	cmd := eventsCommand()
	require.NoError(t, cmd.flagSet(&s.json, &headers{}, new(string), &s.client.timeout).Parse(append([]string{"-f"}, args...)))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- cmd.run(ctx, s) }()
	stop = func() error { cancel(); return <-over }
	return out, stderr, stop
}

func TestEventsAreFollowedOverALostConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		out, stderr, stop := followingEvents(t, w, "-kind", "trouble")
		event := func(seq, kind string) string {
			return "id: " + seq + "\ndata: {\"seq\":" + seq + ",\"time\":\"2026-11-27T03:03:21Z\",\"event\":\"" + kind + "\",\"path\":\"/shop/\u009bdb\"}\n\n"
		}
		w.send(event("8", "failed") + event("9", "ready"))
		require.Equal(t, "03:03:21.000  failed      /shop/\\u009bdb  #8\n", out.take())
		w.lose()
		require.Equal(t, "coppice: cannot reach http://shop/debug/coppice/: connection refused. Trying again in 1s\n", stderr.take())
		w.set(func(w *wire) { w.last = 30 })
		w.back()
		pass(firstRetry)
		require.Equal(t, []string{"7", "9"}, w.after)
		w.send("event: missed\nid: 20\ndata: {\"n\":11}\n\n" + event("21", "hung"))
		require.Equal(t, "11 events missed\n", stderr.take())
		require.Equal(t, "03:03:21.000  hung        /shop/\\u009bdb  #21\n", out.take())
		w.send("id: 22\ndata: {\"event\":\"dance\"}\n\n") // of a later version: said, and skipped
		require.Contains(t, stderr.take(), "no such event kind")
		pass(firstRetry)
		require.Equal(t, "22", w.after[2])
		w.send("event: bye\ndata: {\"text\":\"the server stops\\u001b\"}\n\n")
		require.Equal(t, "coppice: cannot reach http://shop/debug/coppice/: the server stops\\x1b. Trying again in 1s\n", stderr.take())
		pass(firstRetry)
		require.NoError(t, stop())
	})
}

// The numbers of another process start over. Its first events must not be missing.
func TestFollowingGoesOnWithAnotherProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		_, stderr, stop := followingEvents(t, w)
		w.send("id: 8\ndata: {\"seq\":8,\"time\":\"2026-11-27T03:03:21Z\",\"event\":\"failed\",\"path\":\"/shop/db\"}\n\n")
		w.lose()
		w.set(func(w *wire) { w.last = 5 })
		w.back()
		pass(firstRetry)
		require.Equal(t, []string{"7", "0"}, w.after)
		require.Contains(t, stderr.take(), "Trying again in 1s\ncoppice: another process serves the page now\n")
		w.send("id: 3\ndata: {\"seq\":3,\"time\":\"2026-11-27T03:03:21Z\",\"event\":\"failed\",\"path\":\"/shop/db\"}\n\n")
		w.lose()
		w.back()
		pass(firstRetry)
		require.Equal(t, []string{"7", "0", "3"}, w.after)
		require.NoError(t, stop())
	})
}

func TestFollowingEndsIfTheServerRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		_, _, stop := followingEvents(t, w)
		w.send(": open\n\n")
		w.set(func(w *wire) { w.status = 401 })
		w.set(func(w *wire) { w.streams[0].CloseWithError(errAway) })
		pass(firstRetry)
		require.ErrorContains(t, stop(), "refused (401)")
	})
}

package observer_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// A client is the response writer of a stream in a bubble.
type client struct {
	mu   sync.Mutex
	head http.Header
	code int
	text strings.Builder
	stop context.CancelFunc
	done chan struct{}
}

func (c *client) Header() http.Header { return c.head }
func (c *client) WriteHeader(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.code = code
}
func (c *client) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(b)
}
func (c *client) Flush()                             {}
func (c *client) SetWriteDeadline(t time.Time) error { return nil }

// read returns what has arrived since the last call.
func (c *client) read() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.text.Reset()
	return c.text.String()
}

// connect opens a stream. It is closed at the end of the test.
func connect(t *testing.T, h http.Handler, target string, header ...string) *client {
	ctx, cancel := context.WithCancel(t.Context())
	r := local(http.MethodGet, target, "").WithContext(ctx)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c := &client{head: http.Header{}, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		h.ServeHTTP(c, r)
	}()
	t.Cleanup(func() { cancel(); <-c.done })
	return c
}

// ids returns the names and the ids of server-sent events.
func ids(text string) (all []string) {
	name := "event"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "event: "); ok {
			name = n
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			all = append(all, name+" "+id)
			name = "event"
		}
	}
	return all
}

func TestAStreamSendsTheEventsAsTheyCome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}}})
		o := observe(t, root, observer.Spec{})
		all, one := connect(t, o, "/events"), connect(t, o, "/events?path=/shop/a&kind=ready")
		require.Equal(t, ": a stream of coppice\n\n", all.read())
		require.Equal(t, "text/event-stream", all.head.Get("Content-Type"))
		require.NoError(t, root.RestartChild(t.Context(), "a"))
		require.NoError(t, root.RestartChild(t.Context(), "b"))
		time.Sleep(time.Second)
		text := all.read()
		got := ids(text)
		require.NotEmpty(t, got)
		require.Equal(t, "event 1", got[0])
		var e view.Event
		_, data, _ := strings.Cut(text, "data: ")
		data, _, _ = strings.Cut(data, "\n")
		require.NoError(t, json.Unmarshal([]byte(data), &e))
		require.Equal(t, uint64(1), e.Seq)
		require.Equal(t, "/shop/a", e.Path)
		require.Equal(t, 1, strings.Count(one.read(), "\"event\":\"ready\""))
		time.Sleep(16 * time.Second)
		require.Equal(t, ": quiet\n\n", all.read(), "a sign of life")
	})
}

func TestAStreamResumesFromTheRingAndSaysWhatItMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{Keep: 6})
		for range 5 {
			require.NoError(t, root.RestartChild(t.Context(), "a"))
		}
		synctest.Wait()
		last := get[view.Events](t, o, "/events.json").Ring.Last
		resumed := connect(t, o, "/events", "Last-Event-ID", "2")
		time.Sleep(time.Second)
		text := resumed.read()
		got := ids(text)
		require.Equal(t, "missed", strings.Fields(got[0])[0])
		require.Contains(t, text, `data: {"n":`)
		require.Len(t, got, 7, "what the ring still has")
		require.Equal(t, "event "+jsonOf(last), got[6])
		ahead := connect(t, o, "/events", "Last-Event-ID", "999999999")
		time.Sleep(time.Second)
		require.Empty(t, ids(ahead.read()), "a number of another process")
		v := get[view.Causes](t, o, "/causes.json?seen=2")
		require.Equal(t, last-2, v.Missed.N)
		require.Equal(t, uint64(6), v.Missed.Kept)
		require.Nil(t, get[view.Causes](t, o, "/causes.json?seen="+jsonOf(last)).Missed)
	})
}

func jsonOf(v any) string { text, _ := json.Marshal(v); return string(text) }

func TestTicksAreAtMostTwoASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{})
		c := connect(t, o, "/events?ticks=1")
		c.read()
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			require.NoError(t, root.RestartChild(t.Context(), "a"))
		}
		time.Sleep(600 * time.Millisecond)
		got := ids(c.read())
		require.LessOrEqual(t, len(got), 4)
		require.Equal(t, "tick "+jsonOf(get[view.Events](t, o, "/events.json").Ring.Last), got[len(got)-1])
		time.Sleep(11 * time.Second)
		require.Len(t, ids(c.read()), 1, "a sign of life")
	})
}

// A page that has asked may have got a model that was made before the last event. It must
// ask again, although nothing happens any more.
func TestATickComesAgainWhileAnswersAreOlderThanTheLastEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{})
		c := connect(t, o, "/events?ticks=1")
		c.read()
		require.NoError(t, root.RestartChild(t.Context(), "a"))
		o.ShareOldModel()
		time.Sleep(3100 * time.Millisecond)
		require.Greater(t, len(ids(c.read())), 2)
		o.ForgetModel()
		time.Sleep(time.Second)
		c.read()
		time.Sleep(8 * time.Second)
		require.Empty(t, ids(c.read()), "all clients that asked are up to date")
	})
}

func TestAStormCostsAStreamNoMoreThanABatchAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{Keep: 100})
		c := connect(t, o, "/events")
		c.read()
		for range 500 {
			require.NoError(t, root.RestartChild(t.Context(), "a"))
		}
		time.Sleep(10 * time.Second)
		text := c.read()
		require.Contains(t, text, "event: missed")
		require.Less(t, len(ids(text)), 300)
	})
}

func TestAStreamEndsWithTheContextOfNew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{})
		ctx, cancel := context.WithCancel(t.Context())
		o := observer.New(ctx, observer.Spec{Root: root})
		c := connect(t, o, "/events")
		c.read()
		cancel()
		<-c.done
		require.Contains(t, c.read(), "event: bye\nid: 0\ndata: {\"text\":\"the observer has ended\"}")
	})
}

func TestAStreamEndsWithItsRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := observe(t, start(t, supervisor.Spec{}), observer.Spec{})
		c := connect(t, o, "/events")
		c.read()
		c.stop()
		<-c.done
	})
}

func TestAStreamDoesNotHoldUpTheStopOfItsServer(t *testing.T) {
	root, url := served(t, observer.Spec{})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url + "/events")
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	require.True(t, lines.Scan(), "it is open")
	began := time.Now()
	require.NoError(t, root.StopChild(t.Context(), "debug"))
	require.Less(t, time.Since(began), 4*time.Second, "nine tenths of the stop timeout are 4.5 s")
	var text strings.Builder
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
	}
	require.Contains(t, text.String(), "event: bye")
}

func TestThereAreAtMostSixteenStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := observe(t, start(t, supervisor.Spec{}), observer.Spec{})
		var all []*client
		for range 16 {
			all = append(all, connect(t, o, "/events"))
		}
		synctest.Wait()
		refused := connect(t, o, "/events")
		<-refused.done
		require.Equal(t, http.StatusServiceUnavailable, refused.code)
		all[3].stop()
		<-all[3].done
		admitted := connect(t, o, "/events")
		require.Equal(t, ": a stream of coppice\n\n", admitted.read())
	})
}

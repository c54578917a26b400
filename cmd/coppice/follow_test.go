package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pass lets time pass, and waits until everything has happened that is due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// following collects the pictures of a wire until the test ends it.
type following struct {
	mu   sync.Mutex
	seen []picture
	err  error
	stop func()
}

func (f *following) pictures() []picture {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

// last returns the latest picture.
func (f *following) last() picture {
	all := f.pictures()
	return all[len(all)-1]
}

func follow(t *testing.T, w *wire) *following {
	f := &following{}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.err = w.client().pictures(ctx, "", func(p picture) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seen = append(f.seen, p)
		})
	}()
	f.stop = func() { cancel(); <-over }
	t.Cleanup(f.stop)
	synctest.Wait()
	return f
}

func TestAPictureForEachChangeAndOneASecondLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		w.tree.Ring.Last = 7
		f := follow(t, w)
		require.Len(t, f.pictures(), 1)
		require.Equal(t, []string{"7"}, w.after)
		pass(5 * time.Second)
		require.Len(t, f.pictures(), 2, "one more, since the first may be from before a change")
		w.tick(8)
		require.Len(t, f.pictures(), 3)
		pass(29 * time.Second)
		require.Len(t, f.pictures(), 4)
	})
}

func TestAtMostTwoPicturesASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		f := follow(t, w)
		for i := range 100 {
			w.tick(i)
			pass(100 * time.Millisecond)
		}
		all := f.pictures()
		require.Greater(t, len(all), 15)
		for i := 1; i < len(all); i++ {
			require.GreaterOrEqual(t, all[i].got.Sub(all[i-1].got), pause)
			require.Empty(t, all[i].lost)
		}
	})
}

func TestALostConnectionIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		w.tree.Ring.Last = 0
		f := follow(t, w)
		require.Equal(t, []string{"0"}, w.after, "not from the next event on")
		pass(time.Second)
		w.attempts()
		w.lose()
		lost := f.last()
		require.Equal(t, "cannot reach http://shop/debug/coppice/: connection refused", lost.lost)
		require.Equal(t, time.Now(), lost.since)
		require.Equal(t, time.Now().Add(time.Second), lost.retry)
		require.Equal(t, lost.tree.Now, lost.now(time.Now().Add(time.Hour)), "its clock stands still")
		pass(18 * time.Second)
		require.Equal(t, []float64{2, 4, 8, 13, 18}, w.attempts())
		require.Equal(t, lost.since, f.last().since)
		w.back()
		pass(5 * time.Second)
		last := f.last()
		require.Empty(t, last.lost)
		require.Equal(t, last.tree.Now.Add(time.Second), last.now(last.got.Add(time.Second)))
		w.lose()
		w.attempts()
		pass(time.Second)
		require.Len(t, w.attempts(), 1, "it starts with a short delay again")
	})
}

func TestAStreamThatIsSilentIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		f := follow(t, w)
		pass(25 * time.Second)
		w.send(": still here\n\n")
		pass(29 * time.Second)
		require.Empty(t, f.last().lost)
		pass(1500 * time.Millisecond)
		require.Contains(t, f.last().lost, "the server has said nothing for 30s")
		pass(time.Second)
		require.Empty(t, f.last().lost)
	})
}

func TestWatchingEndsIfTheServerRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for status, want := range map[int]string{403: "refused (403): no", 422: "no"} {
			w := newWire()
			w.status = status
			f := follow(t, w)
			f.stop()
			require.EqualError(t, f.err, want)
			require.Empty(t, f.pictures())

			w = newWire()
			f = follow(t, w)
			w.set(func(w *wire) { w.status = status })
			w.tick(1)
			pass(time.Minute)
			f.stop()
			require.EqualError(t, f.err, want)
		}
	})
}

func TestWatchingEndsIfTheFirstAttemptFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		w.away = true
		f := follow(t, w)
		f.stop()
		require.ErrorContains(t, f.err, "connection refused")
		require.Len(t, w.attempts(), 1)
	})
}

func TestAServerThatSaysGoodbyeIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		f := follow(t, w)
		w.send("event: bye\ndata: {\"text\":\"the server stops\"}\n\n")
		require.Contains(t, f.pictures()[1].lost, "the server is stopping")
		pass(time.Second)
		require.Empty(t, f.pictures()[2].lost)
	})
}

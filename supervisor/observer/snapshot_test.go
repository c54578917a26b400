package observer

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadersShareAModelThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s snapshots
		var made atomic.Int32
		build := func() *model {
			time.Sleep(time.Second)
			return &model{started: time.Now(), items: make([]item, made.Add(1))}
		}
		get := func(want int, within time.Duration) {
			t.Helper()
			began := time.Now()
			m, err := s.get(t.Context(), time.Time{}, build)
			require.NoError(t, err)
			require.Len(t, m.items, want)
			require.Equal(t, within, time.Since(began))
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { get(1, time.Second) })
		}
		all.Wait()
		get(1, 0) // shared for four seconds
		time.Sleep(shareFor*time.Second + 100*time.Millisecond)
		get(1, 0) // stale: the next one is made in the background
		get(1, 0)
		time.Sleep(time.Second)
		get(2, 0)
		time.Sleep(staleFor + time.Second)
		get(3, time.Second) // too old to be shown
		s.drop()
		get(4, time.Second) // from before an action
		time.Sleep(keptFor + time.Second)
		s.mu.Lock()
		require.Nil(t, s.last)
		s.mu.Unlock()

		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		go func() { _, _ = s.get(t.Context(), time.Time{}, build) }()
		synctest.Wait()
		_, err := s.get(ctx, time.Time{}, build)
		require.ErrorContains(t, err, "the request ended")
		time.Sleep(time.Minute)
	})
}

func TestAModelThatPanicsDoesNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s snapshots
		require.Panics(t, func() { _, _ = s.get(t.Context(), time.Time{}, func() *model { panic("boom") }) })
		m, err := s.get(t.Context(), time.Time{}, func() *model { return &model{} })
		require.NoError(t, err)
		require.NotNil(t, m)
		time.Sleep(time.Minute)
	})
}

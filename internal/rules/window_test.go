package rules

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/strategy"
)

// add adds a restart at each of the times and returns which were permitted.
func add(w *Window, at ...time.Duration) []bool {
	var permitted []bool
	for _, now := range at {
		permitted = append(permitted, w.Add(now))
	}
	return permitted
}

func TestZeroWindowPermitsThreeInFiveSeconds(t *testing.T) {
	var w Window
	require.Equal(t, []bool{true, true, true, false}, add(&w, 0, 1, 2, 3))
	require.False(t, w.Add(strategy.DefaultPeriod), "the first still counts")
	require.True(t, w.Add(strategy.DefaultPeriod+1))
	require.False(t, w.Add(strategy.DefaultPeriod+1))
}

func TestRestartExactlyOnePeriodAgoStillCounts(t *testing.T) {
	w := NewWindow(strategy.AtMost(1, time.Second))
	require.True(t, w.Add(time.Hour))
	require.False(t, w.Add(time.Hour+time.Second))
	require.True(t, w.Add(time.Hour+time.Second+1))
}

func TestAtMostZeroPermitsNone(t *testing.T) {
	w := NewWindow(strategy.AtMost(0, time.Second))
	require.Equal(t, []bool{false, false, false}, add(&w, 0, time.Hour, 2*time.Hour))
	require.Empty(t, w.ring)
}

func TestUnlimitedPermitsAllAndKeepsNothing(t *testing.T) {
	w := NewWindow(strategy.Unlimited())
	for range 1000 {
		require.True(t, w.Add(0))
	}
	require.Empty(t, w.ring)
}

func TestRestartNotPermittedIsNotRecorded(t *testing.T) {
	w := NewWindow(strategy.AtMost(1, 10))
	require.True(t, w.Add(0))
	require.Equal(t, []bool{false, false, false}, add(&w, 8, 9, 10))
	require.True(t, w.Add(11), "the three refused ones do not count")
}

func TestWindowSlides(t *testing.T) {
	w := NewWindow(strategy.AtMost(3, 10))
	require.Equal(t, []bool{true, true, true}, add(&w, 0, 4, 8))
	require.False(t, w.Add(10), "0, 4 and 8 count")
	require.Equal(t, []bool{true, false}, add(&w, 11, 12), "4, 8 and 11 count")
	require.Equal(t, []bool{true, false}, add(&w, 15, 18), "8, 11 and 15 count")
	require.Equal(t, []bool{true, true, true, false}, add(&w, 40, 40, 40, 40), "all have expired")
}

func TestLowerLimitCountsTheRestartsSoFar(t *testing.T) {
	w := NewWindow(strategy.AtMost(5, 10))
	add(&w, 0, 1, 2, 3)
	w.SetLimit(strategy.AtMost(2, 10))
	require.False(t, w.Add(4))
	require.False(t, w.Add(12), "2 and 3 count")
	require.Equal(t, []bool{true, false}, add(&w, 13, 13), "only 3 counts")
}

func TestHigherLimitCountsTheRestartsSoFar(t *testing.T) {
	w := NewWindow(strategy.AtMost(2, 10))
	require.Equal(t, []bool{true, true, false}, add(&w, 0, 1, 2))
	w.SetLimit(strategy.AtMost(4, 10))
	require.Equal(t, []bool{true, true, false}, add(&w, 3, 4, 5))
	require.Equal(t, []bool{true, false}, add(&w, 11, 11), "the first has expired")
}

func TestShorterPeriodAppliesAtOnce(t *testing.T) {
	w := NewWindow(strategy.AtMost(2, 10))
	add(&w, 0, 1)
	w.SetLimit(strategy.AtMost(2, 3))
	require.Equal(t, []bool{true, false}, add(&w, 4, 4))
}

func TestRingGrowsInStepsAndNeverAboveTheLimit(t *testing.T) {
	w := NewWindow(strategy.AtMost(11, time.Second))
	var sizes []int
	for range 12 {
		w.Add(0)
		sizes = append(sizes, len(w.ring))
	}
	require.Equal(t, []int{4, 4, 4, 4, 8, 8, 8, 8, 11, 11, 11, 11}, sizes)

	for now := range time.Duration(1000) {
		w.Add(now * 100 * time.Millisecond)
	}
	require.Len(t, w.ring, 11)
}

func TestSmallLimitKeepsASmallRing(t *testing.T) {
	w := NewWindow(strategy.AtMost(2, time.Second))
	require.Equal(t, []bool{true, true, false}, add(&w, 0, 0, 0))
	require.Len(t, w.ring, 2)
}

func TestHugeLimitThatIsNotReachedCostsNothing(t *testing.T) {
	w := NewWindow(strategy.AtMost(math.MaxInt, time.Second))
	add(&w, 0, 0, 0)
	require.Len(t, w.ring, 4)
}

func TestRingKeepsItsOrderWhenItGrowsWrapped(t *testing.T) {
	w := NewWindow(strategy.AtMost(6, 10))
	add(&w, 0, 1, 8, 9) // the ring of four is full,
	add(&w, 12, 13)     // 0 and 1 have made room at its front,
	require.Equal(t, 2, w.head)
	require.True(t, w.Add(14)) // and here it grows
	require.Equal(t, []time.Duration{8, 9, 12, 13, 14, 0}, w.ring)

	require.Equal(t, []bool{true, false}, add(&w, 18, 18), "8, 9, 12, 13, 14, 18")
	require.Equal(t, []bool{true, false}, add(&w, 19, 19), "8 has expired")
	require.Equal(t, []bool{true, false}, add(&w, 20, 20), "9 has expired")
	require.False(t, w.Add(22))
	require.True(t, w.Add(23), "12 has expired")
}

// referenceWindow is the simplest implementation of a window.
type referenceWindow struct {
	limit strategy.Intensity
	kept  []time.Duration
}

func (w *referenceWindow) Add(now time.Duration) bool {
	n, period, ok := w.limit.Limit()
	if !ok {
		return true
	}
	var within []time.Duration
	for _, at := range w.kept {
		if now-at <= period {
			within = append(within, at)
		}
	}
	w.kept = within
	if len(w.kept) >= n {
		return false
	}
	w.kept = append(w.kept, now)
	return true
}

// intensities are the limits that a script can select.
var intensities = []strategy.Intensity{
	{},
	strategy.AtMost(0, time.Second),
	strategy.AtMost(1, 100*time.Millisecond),
	strategy.AtMost(2, 5*time.Second),
	strategy.AtMost(5, time.Second),
	strategy.AtMost(9, 20*time.Second),
	strategy.AtMost(64, time.Minute),
	strategy.Unlimited(),
}

// compareWithReference takes each byte of the script as a step: 248 and above sets
// another limit, any other byte is the time before a restart.
func compareWithReference(t *testing.T, script []byte) {
	const setLimit = 248
	var (
		w         Window
		reference referenceWindow
		now       time.Duration
		largest   = strategy.DefaultRestarts
	)
	for i, b := range script {
		if b >= setLimit {
			limit := intensities[b-setLimit]
			w.SetLimit(limit)
			reference.limit = limit
			n, _, _ := limit.Limit()
			largest = max(largest, n)
			continue
		}
		// Many times are short or whole seconds, to reach the edges.
		switch {
		case b < 100:
			now += time.Duration(b%8) * 100 * time.Millisecond
		case b < 200:
			now += time.Duration(b%8) * time.Second
		case b < 224:
			now++
		default:
			now += time.Duration(b) * 100 * time.Millisecond
		}
		if want, got := reference.Add(now), w.Add(now); want != got {
			t.Fatalf("step %d of %v, at %v: permitted %v, the reference says %v", i, script, now, got, want)
		}
		if w.count > len(w.ring) || len(w.ring) > largest {
			t.Fatalf("step %d of %v: %d entries in a ring of %d, the largest limit was %d",
				i, script, w.count, len(w.ring), largest)
		}
	}
}

func TestWindowAgreesWithReference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		script := make([]byte, random.IntN(200))
		for i := range script {
			script[i] = byte(random.UintN(256))
		}
		compareWithReference(t, script)
	}
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0})                                        // the default limit
	f.Add([]byte{0, 0, 0, 101, 101, 101, 101, 101, 200, 0})          // up to its edge, and past it
	f.Add([]byte{249, 0, 107, 0})                                    // none permitted
	f.Add([]byte{250, 0, 1, 200, 0, 1, 200})                         // one in 100 ms
	f.Add([]byte{253, 0, 0, 101, 1, 107, 107, 106, 0, 0, 0, 0, 0})   // grows when wrapped
	f.Add([]byte{253, 0, 0, 0, 0, 0, 0, 251, 0, 104, 0, 101, 0, 0})  // lower
	f.Add([]byte{250, 0, 0, 252, 0, 0, 0, 0, 0, 254, 0, 0, 0, 0, 0}) // higher
	f.Add([]byte{0, 0, 255, 0, 0, 0, 248, 0, 0, 0})                  // unlimited for a while
	f.Add([]byte{254, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 230, 230, 247, 247})
	f.Fuzz(func(t *testing.T, script []byte) { compareWithReference(t, script) })
}

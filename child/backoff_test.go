package child_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// The policies of backoff v4 implement BackoffPolicy.
var (
	_ child.BackoffPolicy = backoff.NewExponentialBackOff()
	_ child.BackoffPolicy = backoff.NewConstantBackOff(0)
	_ child.BackoffPolicy = &backoff.ZeroBackOff{}
	_ child.BackoffPolicy = &backoff.StopBackOff{}
	_ child.BackoffPolicy = backoff.WithMaxRetries(&backoff.ZeroBackOff{}, 3)
)

func TestBackoffStopGivesUp(t *testing.T) {
	require.Negative(t, backoff.Stop)
	require.Negative(t, (&backoff.StopBackOff{}).NextBackOff())
}

// delays returns the next n delays of p.
func delays(p child.BackoffPolicy, n int) []time.Duration {
	var all []time.Duration
	for range n {
		all = append(all, p.NextBackOff())
	}
	return all
}

// extremes returns the shortest and the longest delay of each step, over many policies of b.
func extremes(b child.Backoff, steps int) (shortest, longest []time.Duration) {
	shortest, longest = delays(b(), steps), make([]time.Duration, steps)
	for range 2000 {
		for i, d := range delays(b(), steps) {
			shortest[i] = min(shortest[i], d)
			longest[i] = max(longest[i], d)
		}
	}
	return shortest, longest
}

func TestExponentialDoublesUpToItsMaximum(t *testing.T) {
	const (
		initial = 100 * time.Millisecond
		longest = 30 * time.Second
	)
	lo, hi := extremes(child.Exponential(initial, longest), 12)
	nominal := initial
	for i := range lo {
		atLeast, atMost := nominal/2, min(nominal*3/2, longest)
		require.GreaterOrEqual(t, lo[i], atLeast, "failure %d", i+1)
		require.LessOrEqual(t, hi[i], atMost, "failure %d", i+1)
		// The delays use the whole range: some are in the lowest tenth, some in the highest.
		tenth := (atMost - atLeast) / 10
		require.Less(t, lo[i], atLeast+tenth, "failure %d", i+1)
		require.Greater(t, hi[i], atMost-tenth, "failure %d", i+1)
		nominal = min(2*nominal, longest*2/3) // the middle of the range that ends at longest
	}
}

// The table in the doc comment of Exponential.
func TestExponentialMatchesItsTable(t *testing.T) {
	lo, hi := extremes(child.Exponential(100*time.Millisecond, 30*time.Second), 10)
	for failure, want := range map[int][2]time.Duration{
		1:  {50 * time.Millisecond, 150 * time.Millisecond},
		2:  {100 * time.Millisecond, 300 * time.Millisecond},
		3:  {200 * time.Millisecond, 600 * time.Millisecond},
		9:  {10 * time.Second, 30 * time.Second},
		10: {10 * time.Second, 30 * time.Second},
	} {
		require.GreaterOrEqual(t, lo[failure-1], want[0], "failure %d", failure)
		require.LessOrEqual(t, hi[failure-1], want[1], "failure %d", failure)
	}
}

func TestExponentialNeverOverflows(t *testing.T) {
	for _, longest := range []time.Duration{30 * time.Second, child.Forever - 1, child.Forever} {
		p := child.Exponential(time.Second, longest)()
		for i, d := range delays(p, 10_000) {
			if d < 500*time.Millisecond || d > longest {
				t.Fatalf("delay %d of at most %v is %v", i+1, longest, d)
			}
		}
	}
}

// The age of a policy has no effect. By default, it would have one in backoff v4.
func TestExponentialDoesNotGrowOrGiveUpWithAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := child.Exponential(time.Second, time.Hour)()
		time.Sleep(24 * time.Hour)
		d := p.NextBackOff()
		require.GreaterOrEqual(t, d, 500*time.Millisecond)
		require.LessOrEqual(t, d, 1500*time.Millisecond)
	})
}

func TestExponentialClampsItsArguments(t *testing.T) {
	for _, c := range []struct {
		name            string
		initial, max    time.Duration
		atLeast, atMost time.Duration
	}{
		{"initial below a millisecond", time.Nanosecond, time.Millisecond, 333 * time.Microsecond, time.Millisecond},
		{"both zero", 0, 0, 333 * time.Microsecond, time.Millisecond},
		{"both negative", -time.Hour, -time.Hour, 333 * time.Microsecond, time.Millisecond},
		{"max below initial", time.Second, time.Millisecond, 333 * time.Millisecond, time.Second},
		{"max equal to initial", time.Second, time.Second, 333 * time.Millisecond, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, d := range delays(child.Exponential(c.initial, c.max)(), 200) {
				require.GreaterOrEqual(t, d, c.atLeast)
				require.LessOrEqual(t, d, c.atMost)
			}
		})
	}
}

func TestExponentialStartsOverAfterReset(t *testing.T) {
	p := child.Exponential(time.Second, time.Hour)()
	require.Greater(t, delays(p, 6)[5], 15*time.Second)
	p.Reset()
	require.LessOrEqual(t, p.NextBackOff(), 1500*time.Millisecond)
}

func TestEachCallMakesANewPolicy(t *testing.T) {
	b := child.Exponential(time.Second, time.Hour)
	delays(b(), 10)
	require.LessOrEqual(t, b().NextBackOff(), 1500*time.Millisecond)

	b = child.Constant(time.Second).Retries(1)
	require.Equal(t, []time.Duration{time.Second, backoff.Stop}, delays(b(), 2))
	require.Equal(t, []time.Duration{time.Second, backoff.Stop}, delays(b(), 2))
}

func TestConstantIsAlwaysTheSame(t *testing.T) {
	p := child.Constant(time.Second)()
	for _, d := range delays(p, 1000) {
		require.Equal(t, time.Second, d)
	}
	p.Reset()
	require.Equal(t, time.Second, p.NextBackOff())
}

func TestConstantOfZeroRestartsWithoutADelay(t *testing.T) {
	require.Zero(t, child.Constant(0)().NextBackOff())
	require.Zero(t, child.Constant(-time.Second)().NextBackOff(), "it does not give up")
}

func TestRetriesGivesUp(t *testing.T) {
	second := child.Constant(time.Second)
	for _, c := range []struct {
		name    string
		backoff child.Backoff
		want    []time.Duration
	}{
		{"after two", second.Retries(2), []time.Duration{time.Second, time.Second, backoff.Stop, backoff.Stop}},
		{"at once", second.Retries(0), []time.Duration{backoff.Stop, backoff.Stop}},
		{"at once, if negative", second.Retries(-1), []time.Duration{backoff.Stop, backoff.Stop}},
		{"of no backoff", child.Backoff(nil).Retries(2), []time.Duration{0, 0, backoff.Stop}},
		{"of no policy", child.Backoff(func() child.BackoffPolicy { return nil }).Retries(1), []time.Duration{0, backoff.Stop}},
		{"when its policy does", child.Backoff(func() child.BackoffPolicy { return &backoff.StopBackOff{} }).Retries(9), []time.Duration{backoff.Stop, backoff.Stop}},
		{"at the smaller of two", second.Retries(1).Retries(3), []time.Duration{time.Second, backoff.Stop, backoff.Stop}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, delays(c.backoff(), len(c.want)))
		})
	}
}

func TestRetriesStartsOverAfterReset(t *testing.T) {
	p := child.Constant(time.Second).Retries(1)()
	require.Equal(t, []time.Duration{time.Second, backoff.Stop}, delays(p, 2))
	p.Reset()
	require.Equal(t, []time.Duration{time.Second, backoff.Stop}, delays(p, 2))

	p = child.Exponential(time.Second, time.Hour).Retries(10)()
	delays(p, 10)
	p.Reset()
	require.LessOrEqual(t, p.NextBackOff(), 1500*time.Millisecond, "its policy is reset too")

	p = child.Backoff(nil).Retries(1)()
	delays(p, 2)
	p.Reset()
	require.Zero(t, p.NextBackOff())
}

package gate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestSleepOfTheMachineCounts(t *testing.T) {
	from := Now()
	later := Moment{from.at.Add(time.Second), from.wall.Add(time.Minute), from.asleep + time.Hour}
	require.Equal(t, time.Hour+time.Second, later.since(from))
	require.Equal(t, time.Minute, later.wallSince(from))
	later.asleep = from.asleep + leastSleep/2 // the clocks are read one after the other
	require.Equal(t, time.Second, later.since(from))
	later.asleep = from.asleep - time.Millisecond
	require.Equal(t, time.Second, later.since(from))
}

func TestNowFollowsTheClockOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := Now()
		time.Sleep(time.Hour)
		require.Equal(t, time.Hour, Now().since(from))
		require.Equal(t, time.Hour, Now().wallSince(from))
		require.Equal(t, from.Time().Add(time.Hour), Now().Time())
	})
}

// jump is an Elector with one lease, whose renewals the test answers.
type jump struct {
	renewals chan context.Context
	answer   chan error
	term     Term
}

func (j *jump) TTL() time.Duration                             { return 12 * time.Second }
func (j *jump) Acquire(context.Context, string) (Lease, error) { return j, nil }
func (j *jump) Holder(context.Context, string) (Holder, error) { return Holder{}, nil }
func (j *jump) Token() int64                                   { return 1 }
func (j *jump) Term() Term                                     { return j.term }
func (j *jump) Lost() <-chan struct{}                          { return nil }
func (j *jump) Release(context.Context) error                  { return nil }
func (j *jump) Renew(ctx context.Context) error {
	select {
	case j.renewals <- ctx:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-j.answer:
		j.term = Term{Now(), 12 * time.Second}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// The wall clock says that more time has passed than the steady clock has counted: perhaps
// the machine stood still, perhaps somebody has set the clock. A renewal decides.
func TestAJumpOfTheWallClockLeadsToARenewalAtOnce(t *testing.T) {
	for what, answered := range map[string]bool{"confirmed": true, "not answered": false} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &jump{renewals: make(chan context.Context), answer: make(chan error)}
				j.term = Term{Now(), 12 * time.Second}
				causes := make(chan error, 10)
				g := New(Spec{Name: "x", Elector: j, Run: func(ctx child.Context) error {
					err := ctx.Ready()
					<-ctx.Done()
					causes <- context.Cause(ctx)
					return err
				}})
				ctx, cancel := context.WithCancel(t.Context())
				m, err := g.begin(child.FromContext(ctx))
				require.NoError(t, err)
				done := make(chan error)
				go func() { done <- m.run() }()
				time.Sleep(time.Millisecond)
				synctest.Wait()
				began := time.Now()
				m.post(func() { m.sent.wall = m.sent.wall.Add(-time.Hour) })
				<-j.renewals
				require.Less(t, time.Since(began), time.Second)
				if answered {
					j.answer <- nil
					time.Sleep(time.Second)
					require.Empty(t, causes)
				} else {
					require.ErrorIs(t, <-causes, ErrLost)
					require.LessOrEqual(t, time.Since(began), 3*time.Second)
				}
				cancel()
				<-done
			})
		})
	}
}

func TestPathsAbove(t *testing.T) {
	require.Equal(t, []string{"/a", "/a/b"}, pathsAbove("/a/b/c"))
	require.Equal(t, []string{"/a"}, pathsAbove("/a/b"))
	require.Empty(t, pathsAbove("/a"))
	require.Empty(t, pathsAbove(""))
}

package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
)

// A Child is a child that follows a script, and keeps a record of its runs. The
// zero Child is ready at once and runs until it is asked to stop. Put its Run
// into a child.Spec. The script must not be changed once it runs.
//
//	db := &supervisortest.Child{ReadyAfter: time.Second, FailStarts: 2}
//	…
//	{Name: "db", Run: db.Run, Backoff: child.Constant(time.Minute), RetryStart: true}
type Child struct {
	// FailStarts is how many starts fail, from the first on: Run returns before
	// Ready, with StartError.
	FailStarts int
	// StartError is what they fail with: an error, Panic or child.ErrGoexit. Nil is
	// ErrScripted.
	StartError error

	// ReadyAfter is how long each start takes. Zero: ready at once.
	ReadyAfter time.Duration
	// NeverReady: it waits, as a child that forgot to call Ready.
	NeverReady bool

	// RunFor is how long it runs, once ready, before it ends by itself as EndWith
	// says. Zero: until it is asked to stop. Negative, as child.AtOnce: it ends as
	// soon as it is ready.
	RunFor time.Duration
	// EndWith is how it ends then: nil, an error, Panic or child.ErrGoexit.
	EndWith error

	// StopAfter is how long it goes on after it was asked to stop. Child.Forever:
	// until Release, or, in a tree of Start or Run, until the test has ended.
	StopAfter time.Duration

	// Reports are given to OnError when it is ready.
	Reports []error

	// Beat is how often it calls Heartbeat. Zero: never.
	Beat time.Duration
	// BeatFor is when it stops doing so, counted from Ready, and goes on as if it
	// hung. Zero: never.
	BeatFor time.Duration

	// Leak: each run starts a goroutine and leaves it behind, until Release, or, in
	// a tree of Start or Run, until the test has ended.
	Leak bool

	mu       sync.Mutex
	runs     []*scripted
	released bool
}

// A ChildRun is what happened in one run of a Child. A time is zero if it has
// not come to that.
type ChildRun struct {
	Path     string
	Order    uint64 // counts the starts of all scripted children, so that they can be compared
	Restarts int    // as the run's context told
	Started  time.Time
	Ready    time.Time
	Stopping time.Time // when it was asked to stop
	Cause    error     // why: its context.Cause
	Ended    time.Time
	Err      error // what it ended with: nil, an error, Panic or child.ErrGoexit
}

// scripted is a run, its record, and the strings that the test can pull.
type scripted struct {
	ChildRun
	made    testkit.Bubble
	end     chan error    // End
	release chan struct{} // Release
}

var orders atomic.Uint64

var errNilChild = errors.New("supervisortest: nil *Child: make one with new(supervisortest.Child)")

// Run follows the script. One that cannot be followed, as with a negative
// ReadyAfter, is the error of the start.
func (c *Child) Run(ctx child.Context) error {
	if c == nil {
		return errNilChild
	}
	if problem := c.problem(); problem != "" {
		return errors.New("supervisortest: Child: " + problem)
	}
	r, n := c.begin(ctx)
	defer c.set(func() { r.Ended = time.Now() })
	err := c.play(ctx, r, n)
	c.set(func() { r.Err = err })
	return testkit.Raise(err)
}

// problem says what is wrong with the script.
func (c *Child) problem() string {
	switch {
	case c.FailStarts < 0:
		return fmt.Sprintf("FailStarts is %d: zero is the least", c.FailStarts)
	case c.ReadyAfter < 0:
		return fmt.Sprintf("ReadyAfter is %v: zero is the least", c.ReadyAfter)
	case c.StopAfter < 0:
		return fmt.Sprintf("StopAfter is %v: zero is the least, and child.Forever until Release", c.StopAfter)
	case c.Beat < 0:
		return fmt.Sprintf("Beat is %v: zero is the least", c.Beat)
	case c.BeatFor < 0:
		return fmt.Sprintf("BeatFor is %v: zero is the least", c.BeatFor)
	case c.BeatFor > 0 && c.Beat == 0:
		return fmt.Sprintf("BeatFor is %v and Beat is zero: say how often it beats before it stops", c.BeatFor)
	}
	return ""
}

func (c *Child) play(ctx child.Context, r *scripted, n int) error {
	over := testkit.Over(ctx)
	if c.Leak {
		go func() {
			select {
			case <-r.release:
			case <-over:
			}
		}()
	}
	if n <= c.FailStarts {
		if c.StartError == nil {
			return ErrScripted
		}
		return c.StartError
	}
	if child.Sleep(ctx, c.ReadyAfter) {
		return c.stop(ctx, r, over)
	}
	if c.NeverReady {
		<-ctx.Done()
		return c.stop(ctx, r, over)
	}
	c.set(func() { r.Ready = time.Now() }) // before others know
	if ctx.Ready() != nil {
		c.set(func() { r.Ready = time.Time{} })
		return c.stop(ctx, r, over)
	}
	for _, err := range c.Reports {
		ctx.OnError(err)
	}
	if c.RunFor < 0 {
		return c.EndWith
	}
	var done, beat, silence <-chan time.Time
	if c.RunFor > 0 {
		timer := time.NewTimer(c.RunFor)
		defer timer.Stop()
		done = timer.C
	}
	if c.Beat > 0 {
		ticker := time.NewTicker(c.Beat)
		defer ticker.Stop()
		beat = ticker.C
		if c.BeatFor > 0 {
			timer := time.NewTimer(c.BeatFor)
			defer timer.Stop()
			silence = timer.C
		}
	}
	for {
		select {
		case <-ctx.Done():
			return c.stop(ctx, r, over)
		case err := <-r.end:
			return err
		case <-done:
			return c.EndWith
		case <-beat:
			ctx.Heartbeat()
		case <-silence:
			beat = nil
		}
	}
}

// stop is what the script says of being stopped.
func (c *Child) stop(ctx context.Context, r *scripted, over <-chan struct{}) error {
	c.set(func() { r.Stopping, r.Cause = time.Now(), context.Cause(ctx) })
	switch {
	case c.StopAfter == child.Forever:
		select {
		case <-r.release:
		case <-over:
		}
	case c.StopAfter > 0:
		timer := time.NewTimer(c.StopAfter)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.release:
		case <-over:
		}
	}
	return nil
}

// begin notes a run, and returns its number, from 1.
func (c *Child) begin(ctx child.Context) (*scripted, int) {
	r := &scripted{made: testkit.Here(), end: make(chan error, 1), release: make(chan struct{})}
	r.ChildRun = ChildRun{Path: ctx.Path(), Order: orders.Add(1), Restarts: ctx.Restarts(), Started: time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		close(r.release)
	}
	c.runs = append(c.runs, r)
	return r, len(c.runs)
}

func (c *Child) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// Runs returns what happened in all runs so far, the first one first.
func (c *Child) Runs() []ChildRun {
	c.mu.Lock()
	defer c.mu.Unlock()
	runs := make([]ChildRun, len(c.runs))
	for i, r := range c.runs {
		runs[i] = r.ChildRun
	}
	return runs
}

// Starts returns how many runs there were.
func (c *Child) Starts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.runs)
}

// End has the latest run, which must be ready, end now: with nil, an error,
// Panic or child.ErrGoexit. It does not wait for what follows: in a bubble synctest.Wait
// does, outside of one await an event.
func (c *Child) End(t testing.TB, err error) {
	t.Helper()
	if c == nil {
		t.Fatalf("end: %v", errNilChild)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.runs) > 0 {
		r := c.runs[len(c.runs)-1]
		if !r.Ready.IsZero() && r.Ended.IsZero() && r.Stopping.IsZero() {
			if err := r.made.Elsewhere("the child's run"); err != nil {
				t.Fatalf("end: %v", err)
				return
			}
			select {
			case r.end <- err:
			default: // it has been told already
			}
			return
		}
	}
	t.Fatalf("end: the child has been started %d times and is not ready now: await its ready event first", len(c.runs))
}

// Release lets all runs that StopAfter holds return, and all goroutines that
// Leak has left behind end, now and from now on. Runs in a bubble it reaches from
// inside of that bubble only.
func (c *Child) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return
	}
	c.released = true
	at := testkit.Here()
	for _, r := range c.runs {
		if r.made == at {
			close(r.release)
		}
	}
}

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

// A Child is a child that follows a script and records its runs. The zero Child is ready
// at once and runs until it is asked to stop. Use its Run method as child.Spec.Run. The
// script must not change after the first start.
//
//	db := &supervisortest.Child{ReadyAfter: time.Second, FailStarts: 2}
//	…
//	{Name: "db", Run: db.Run, Backoff: child.Constant(time.Minute), RetryStart: true}
type Child struct {
	// FailStarts is the number of starts that fail, counted from the first: Run ends
	// with StartError before it calls Ready.
	FailStarts int
	// StartError is how those starts end: an error, the result of Panic, or
	// child.ErrGoexit. The default is ErrScripted.
	StartError error

	// ReadyAfter is the time from the start of a run to its call of Ready. The default
	// is zero: ready at once.
	ReadyAfter time.Duration
	// NeverReady makes a run wait until it is stopped, without a call of Ready.
	NeverReady bool

	// RunFor is how long a run lasts after Ready. Then it ends with EndWith. Zero means
	// until it is asked to stop. Negative, such as child.AtOnce, means that it ends as
	// soon as it is ready.
	RunFor time.Duration
	// EndWith is how a run ends after RunFor: nil, an error, the result of Panic, or
	// child.ErrGoexit.
	EndWith error

	// StopAfter is how long a run goes on after it was asked to stop. The default is
	// zero: it returns at once. With child.Forever it hangs until Release or, in a tree
	// of Start or Run, until the test has ended.
	StopAfter time.Duration

	// Reports are the errors that a run passes to OnError when it is ready.
	Reports []error

	// Beat is the interval between calls of Heartbeat. Zero means no calls.
	Beat time.Duration
	// BeatFor is the time from Ready until the heartbeats stop. The run goes on, as if
	// it hung. Zero means that they do not stop.
	BeatFor time.Duration

	// Leak makes each run start a goroutine that outlives it. The goroutine ends at
	// Release or, in a tree of Start or Run, when the test has ended.
	Leak bool

	mu       sync.Mutex
	runs     []*scripted
	released bool
}

// A ChildRun is the record of one run of a Child. A time is zero if the run has not come
// that far.
type ChildRun struct {
	Path     string
	Order    uint64 // numbers the starts of all scripted children, to compare them
	Restarts int    // what the run's Context.Restarts returned
	Started  time.Time
	Ready    time.Time
	Stopping time.Time // when it was asked to stop
	Cause    error     // why it was: the context.Cause of the run
	Ended    time.Time
	Err      error // how it ended: nil, an error, the result of Panic, or child.ErrGoexit
}

// scripted is a run with its record and the channels by which a test controls it.
type scripted struct {
	ChildRun
	made    testkit.Bubble
	end     chan error    // filled by End
	release chan struct{} // closed by Release
}

var orders atomic.Uint64

var errNilChild = errors.New("supervisortest: Child is nil: create one with new(supervisortest.Child)")

// Run follows the script. If the script is invalid (a negative ReadyAfter, say), the start
// fails with an error that says why.
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
		return fmt.Sprintf("FailStarts is %d: it must not be negative", c.FailStarts)
	case c.ReadyAfter < 0:
		return fmt.Sprintf("ReadyAfter is %v: it must not be negative", c.ReadyAfter)
	case c.StopAfter < 0:
		return fmt.Sprintf("StopAfter is %v: it must not be negative; child.Forever hangs until Release", c.StopAfter)
	case c.Beat < 0:
		return fmt.Sprintf("Beat is %v: it must not be negative", c.Beat)
	case c.BeatFor < 0:
		return fmt.Sprintf("BeatFor is %v: it must not be negative", c.BeatFor)
	case c.BeatFor > 0 && c.Beat == 0:
		return fmt.Sprintf("BeatFor is %v and Beat is zero: set Beat too", c.BeatFor)
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
	c.set(func() { r.Ready = time.Now() }) // before the event
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

// stop does what the script says when the run is asked to stop.
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

// begin records a new run, and returns its number, from 1.
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

// Runs returns the records of all runs so far, in the order of their starts.
func (c *Child) Runs() []ChildRun {
	c.mu.Lock()
	defer c.mu.Unlock()
	runs := make([]ChildRun, len(c.runs))
	for i, r := range c.runs {
		runs[i] = r.ChildRun
	}
	return runs
}

// Starts returns the number of runs so far.
func (c *Child) Starts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.runs)
}

// End makes the latest run end now with err: nil, an error, the result of Panic, or
// child.ErrGoexit. The run must be ready, or the test fails. End does not wait for what
// follows: call synctest.Wait in a bubble, or await an event.
func (c *Child) End(t testing.TB, err error) {
	t.Helper()
	if c == nil {
		t.Fatalf("End: %v", errNilChild)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.runs) > 0 {
		r := c.runs[len(c.runs)-1]
		if !r.Ready.IsZero() && r.Ended.IsZero() && r.Stopping.IsZero() {
			if err := r.made.Elsewhere("the child's run"); err != nil {
				t.Fatalf("End: %v", err)
				return
			}
			select {
			case r.end <- err:
			default: // it ends already
			}
			return
		}
	}
	t.Fatalf("End: the child is not ready (%d starts so far): await its ready event first", len(c.runs))
}

// Release ends the waits of StopAfter and the goroutines of Leak, in all present and
// future runs. It reaches only runs in the caller's bubble or, outside of a bubble, runs
// outside.
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

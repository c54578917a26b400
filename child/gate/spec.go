package gate

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/internal/core"
	"github.com/coppice-go/coppice/internal/oneline"
)

// A Spec declares a gate. Name, Elector and Run are required. The zero value of every other
// field is its default. The defaults fit together with any TTL.
type Spec struct {
	// Name is the name of the lease. The gates of all processes that exclude each other
	// have the same name, such as "/shop/billing".
	Name string

	// Elector is the engine that gives the lease.
	Elector Elector

	// Run is what the gate guards: the Run of a supervisor, or any function that follows
	// the contract of package child. It is called each time the lease is won. In the tree
	// it is the child "guarded" below the gate's own.
	//
	// If it returns nil or child.ErrDone, the gate releases the lease and returns the same.
	// If it fails, the gate releases the lease and returns the error, so the child fails
	// and is restarted like any other.
	Run func(child.Context) error

	// StopWithin bounds the stop of what is guarded, whatever its reason. A child that has
	// not stopped by then is abandoned. Zero means a third of the TTL, or 5 s without one.
	StopWithin time.Duration

	// RenewEvery is the time from one renewal to the next. The gate calls ctx.Heartbeat at
	// least this often, for itself and not for what it guards. Zero means a sixth of the TTL,
	// or 1 s without one.
	RenewEvery time.Duration

	// RequestTimeout is the longest time that a renewal waits for its answer. Zero means a
	// sixth of the TTL, or 5 s without one.
	RequestTimeout time.Duration

	// ReleaseWithin is the longest time that a release waits for its answer. When the gate
	// itself is stopped, the end of ctx.Grace limits it, too. Zero means a twelfth of the
	// TTL, or 5 s without one.
	ReleaseWithin time.Duration

	// YieldAfter is how long what is guarded may be unready, or not ready yet, before the
	// gate stops it with ErrUnready and lets another member lead. It is checked once per
	// RenewEvery. Zero means that it may be unready for any time.
	YieldAfter time.Duration

	// Late is called when a lease ends while something that was started under it has not
	// returned. The error is a *LateError. Late is called once per lease, on a goroutine of
	// its own, also after Run has returned. Nil means Crash. Fence does nothing, because
	// tokens make what is late harmless.
	Late func(error)
}

// Terms returns the durations of the gate, with all defaults filled in.
func (s Spec) Terms() Terms {
	var ttl time.Duration
	if s.Elector != nil {
		ttl = s.Elector.TTL()
	}
	part := func(d time.Duration, of time.Duration, without time.Duration) time.Duration {
		switch {
		case d != 0:
			return d
		case ttl > 0:
			return max(ttl/of, 1)
		}
		return without
	}
	return Terms{
		TTL:            ttl,
		RenewEvery:     part(s.RenewEvery, 6, time.Second),
		RequestTimeout: part(s.RequestTimeout, 6, 5*time.Second),
		StopWithin:     part(s.StopWithin, 3, child.DefaultStopTimeout),
		ReleaseWithin:  part(s.ReleaseWithin, 12, 5*time.Second),
		Slack:          part(0, 20, 50*time.Millisecond),
	}
}

// Terms are the durations of a gate, with all defaults filled in. They fit together if
//
//	TTL x 0.99 > RenewEvery + RequestTimeout + StopWithin + ReleaseWithin + Slack
//
// since the lease must not end before what is guarded has stopped, even if the last renewal
// is not answered. The hundredth is for clocks that differ in speed. A lease without a TTL
// does not end by itself, so anything fits.
type Terms struct {
	TTL            time.Duration // that the Elector asks for
	RenewEvery     time.Duration // as in Spec, and so are the next three
	RequestTimeout time.Duration
	StopWithin     time.Duration
	ReleaseWithin  time.Duration
	Slack          time.Duration // for what is late in this process: a twentieth of the TTL
}

// String returns all terms, such as "TTL 15s x 0.99 = 14.85s; renewal 2.5s + request 2.5s +
// stop 5s + release 1.25s + slack 750ms = 12s".
func (t Terms) String() string {
	c := t.core()
	return fmt.Sprintf("TTL %v x 0.99 = %v; renewal %v + request %v + stop %v + release %v + slack %v = %v",
		t.TTL, core.Usable(t.TTL), t.RenewEvery, t.RequestTimeout, t.StopWithin, t.ReleaseWithin, t.Slack, c.Needs())
}

func (t Terms) core() core.Terms {
	return core.Terms{
		TTL: t.TTL, Renew: t.RenewEvery, Request: t.RequestTimeout,
		Stop: t.StopWithin, Release: t.ReleaseWithin, Slack: t.Slack,
	}
}

// Validate returns all problems of the spec, as *child.SpecError values joined by
// errors.Join, or nil. Their Path is Name. New does not return them; Run does, before it does
// anything.
func (s Spec) Validate() error { return s.validate(s.Terms()) }

func (s Spec) validate(t Terms) error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &child.SpecError{Path: s.Name, Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if problem := problemOfName(s.Name); problem != "" {
		fault("Name", "%s", problem)
	}
	if s.Run == nil {
		fault("Run", "nil")
	}
	negative := false
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"StopWithin", s.StopWithin}, {"RenewEvery", s.RenewEvery}, {"RequestTimeout", s.RequestTimeout},
		{"ReleaseWithin", s.ReleaseWithin}, {"YieldAfter", s.YieldAfter},
	} {
		if d.value < 0 {
			negative = true
			fault(d.field, "negative: %v", d.value)
		}
	}
	switch {
	case s.Elector == nil:
		fault("Elector", "nil; gate.Alone() is one for a single process")
	case t.TTL < 0:
		fault("Elector", "its TTL is negative: %v", t.TTL)
	case !negative && !t.core().Fits(t.TTL):
		fault("StopWithin", "what is guarded might not stop before its lease ends; choose a longer TTL or shorter terms: %v", t)
	}
	return errors.Join(faults...)
}

// mostName is what every engine can store.
const mostName = 255

func problemOfName(name string) string {
	switch {
	case name == "":
		return "empty"
	case len(name) > mostName:
		return fmt.Sprintf("longer than %d bytes", mostName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, oneline.Harmful):
		return "contains characters that are not UTF-8, or not visible: " + oneline.Text(name)
	}
	return ""
}

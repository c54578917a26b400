package gate

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Flag returns an Elector that opens the gate while a function says so: a feature flag, a
// window of time, a file that exists. It excludes nobody: each process whose function says
// true runs what is guarded.
//
// A closed gate calls open once per every, and an open one once per Spec.RenewEvery, both a
// second by default. If open returns an error, or does not return, nothing changes. When it
// returns false, what is guarded is stopped with the cause ErrLost. Its tokens count the
// openings in this process, and fence nothing.
func Flag(every time.Duration, open func(context.Context) (bool, error)) Elector {
	if every <= 0 {
		every = time.Second
	}
	return &flag{every: every, open: open}
}

type flag struct {
	every time.Duration
	open  func(context.Context) (bool, error)
	count atomic.Int64
}

func (*flag) TTL() time.Duration { return 0 }

func (f *flag) Acquire(ctx context.Context, _ string) (Lease, error) {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		open, err := f.open(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, fmt.Errorf("flag: %w", err)
		case open:
			return &flagLease{f, Now(), f.count.Add(1)}, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Holder reports nobody: a flag is held by each process for itself.
func (f *flag) Holder(context.Context, string) (Holder, error) {
	return Holder{Token: f.count.Load()}, nil
}

type flagLease struct {
	of    *flag
	sent  Moment
	token int64
}

func (l *flagLease) Token() int64                  { return l.token }
func (l *flagLease) Term() Term                    { return Term{Sent: l.sent} }
func (l *flagLease) Lost() <-chan struct{}         { return nil }
func (l *flagLease) Release(context.Context) error { return nil }

func (l *flagLease) Renew(ctx context.Context) error {
	sent := Now()
	switch open, err := l.of.open(ctx); {
	case err != nil:
		return fmt.Errorf("flag: %w", err)
	case !open:
		return fmt.Errorf("%w: the flag is off", ErrLost)
	}
	l.sent = sent
	return nil
}

package gate

import (
	"context"
	"sync"
	"time"
)

// Alone returns an Elector for a single process: for tests, for development, and for a
// program that is not replicated yet. Gates with the same Elector and the same name exclude
// each other. Its leases do not end by themselves, and its tokens count from 1, so they
// mean nothing after the end of the process.
func Alone() Elector {
	return &alone{names: make(map[string]*aloneName), groups: make(map[string]*aloneGroup)}
}

type alone struct {
	mu     sync.Mutex
	names  map[string]*aloneName
	groups map[string]*aloneGroup
}

// An aloneName is what is known of one name.
type aloneName struct {
	free   chan struct{} // holds a value while nobody holds the lease
	holder Holder        // guarded by alone.mu
}

const aloneID = "this process"

func (*alone) TTL() time.Duration { return 0 }

func (a *alone) of(name string) *aloneName {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.names[name]
	if n == nil {
		n = &aloneName{free: make(chan struct{}, 1)}
		n.free <- struct{}{}
		a.names[name] = n
	}
	return n
}

func (a *alone) Acquire(ctx context.Context, name string) (Lease, error) {
	n := a.of(name)
	if held, _ := a.Holder(ctx, name); held.ID != "" {
		Seen(ctx, held)
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-n.free:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n.holder = Holder{ID: aloneID, Token: n.holder.Token + 1, Since: time.Now()}
	return &aloneLease{of: a, name: n, term: Term{Sent: Now()}, token: n.holder.Token}, nil
}

func (a *alone) Holder(_ context.Context, name string) (Holder, error) {
	n := a.of(name)
	a.mu.Lock()
	defer a.mu.Unlock()
	return n.holder, nil
}

type aloneLease struct {
	of    *alone
	name  *aloneName
	term  Term
	token int64
	once  sync.Once
}

func (l *aloneLease) Token() int64                { return l.token }
func (l *aloneLease) Term() Term                  { return l.term }
func (l *aloneLease) Renew(context.Context) error { l.term.Sent = Now(); return nil }
func (l *aloneLease) Lost() <-chan struct{}       { return nil }

func (l *aloneLease) Release(context.Context) error {
	l.once.Do(func() {
		l.of.mu.Lock()
		l.name.holder = Holder{Token: l.token}
		l.of.mu.Unlock()
		l.name.free <- struct{}{}
	})
	return nil
}

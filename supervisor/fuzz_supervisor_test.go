package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// FuzzSupervisor makes calls of all kinds, at any time and side by side, while
// children start, end, fail and hang as the bytes say. Whatever happens: every
// call returns, no two runs of a child that count overlap, the late return of an
// abandoned run is reported, and after Stop nothing is left.
func FuzzSupervisor(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := newFuzzTree(t, script[:min(len(script), 400)])
			for len(s.dice) > 0 {
				s.happen()
			}
			s.stop()
		})
	})
}

// A fuzzTree is a tree with a nested supervisor, and a record of its events.
type fuzzTree struct {
	t         *testing.T
	dice      dice
	root, sub *supervisor.Supervisor
	calls     sync.WaitGroup
	release   chan struct{} // closed when runs that hang may go

	mu     sync.Mutex
	starts map[string]int
	live   map[*fuzzRun]struct{} // runs that have not returned
	open   map[string]bool       // paths of children that were reported as started and not as ended
	left   int                   // abandoned runs that have not returned
	lost   bool                  // events were lost: open and left are not to be trusted
	faults []string
}

// A fuzzRun is one run of a child.
type fuzzRun struct {
	ctx child.Context
	end chan func() error
}

func newFuzzTree(t *testing.T, script []byte) *fuzzTree {
	s := &fuzzTree{
		t: t, dice: script, release: make(chan struct{}),
		starts: map[string]int{}, live: map[*fuzzRun]struct{}{}, open: map[string]bool{},
	}
	s.sub = supervisor.New(s.supervisor("", "p", "q"))
	s.root = supervisor.New(s.supervisor("sub", "a", "b", "c"))
	s.root.Subscribe(s.watch)
	s.call(func(ctx context.Context) error { return s.root.Start(ctx) })
	return s
}

// supervisor returns a spec with children of those names, and with the nested
// supervisor as one more if its name is given.
func (s *fuzzTree) supervisor(nested string, names ...string) supervisor.Spec {
	b := s.dice.byte()
	spec := supervisor.Spec{
		Logger:       quiet,
		Strategy:     strategy.Strategy(b & 3),
		AutoShutdown: strategy.AutoShutdown(b >> 2 % 3),
		Intensity:    strategy.AtMost(int(b>>4&7), time.Second),
	}
	for _, name := range names {
		spec.Children = append(spec.Children, s.child(name, spec.AutoShutdown))
	}
	if nested != "" {
		c := s.child(nested, spec.AutoShutdown)
		c.Run, c.Heartbeat = s.sub.Run, 0
		spec.Children = append(spec.Children, c)
	}
	if b&128 != 0 {
		spec.Strategy = strategy.Graph
		s.edges(spec.Children)
	}
	return spec
}

// edges makes each child need, or come after, any of those before it.
func (s *fuzzTree) edges(children []child.Spec) {
	for i := range children {
		for b, j := s.dice.byte(), 0; j < i; j, b = j+1, b>>2 {
			switch b & 3 {
			case 1, 2:
				if children[j].Restart != child.Temporary {
					children[i].Needs = append(children[i].Needs, children[j].Name)
				}
			case 3:
				children[i].After = append(children[i].After, children[j].Name)
			}
		}
	}
}

// child returns a spec with any of the options.
func (s *fuzzTree) child(name string, auto strategy.AutoShutdown) child.Spec {
	b, startScript, stopScript := s.dice.byte(), s.dice.byte(), s.dice.byte()
	spec := child.Spec{
		Name: name, Restart: child.Restart(b & 3 % 3), RetryStart: b&4 != 0,
		Run: func(ctx child.Context) error { return s.run(ctx, startScript, stopScript) },
	}
	spec.Significant = b&8 != 0 && spec.Restart != child.Permanent && auto != strategy.Never
	if b&16 != 0 {
		spec.Backoff = child.Constant(20 * time.Millisecond).Retries(5)
	}
	if b&32 != 0 {
		spec.StartTimeout = 15 * time.Millisecond
	}
	if b&64 != 0 {
		spec.StopTimeout = child.AtOnce
	}
	if b&128 != 0 {
		spec.Heartbeat = 50 * time.Millisecond
	}
	return spec
}

// run is the Run of every child. Two bits of startScript say how each of four
// starts goes, stopScript how it takes a stop.
func (s *fuzzTree) run(ctx child.Context, startScript, stopScript byte) error {
	r := &fuzzRun{ctx, make(chan func() error, 1)}
	s.mu.Lock()
	start := startScript >> (2 * (s.starts[ctx.Path()] % 4)) & 3
	s.starts[ctx.Path()]++
	s.live[r] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.live, r)
	}()
	switch start {
	case 1:
		return errBoom
	case 2:
		if child.Sleep(ctx, 10*time.Millisecond) {
			return context.Cause(ctx)
		}
	case 3:
		if stopScript&128 != 0 {
			return []error{nil, child.ErrIgnore, child.ErrDone, child.ErrShutdown}[stopScript>>4&3]
		}
	}
	if err := ctx.Ready(); err != nil {
		return err
	}
	select {
	case end := <-r.end:
		return end()
	case <-ctx.Done():
	}
	switch stopScript & 7 {
	case 1:
		return errBoom
	case 2:
		time.Sleep(30 * time.Millisecond)
	case 3:
		<-s.release // until after the stop
	case 4:
		panic("while stopping")
	case 5:
		<-ctx.Grace().Done()
	}
	return nil
}

// watch checks that the events are consistent with each other.
func (s *fuzzTree) watch(e supervisor.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = s.lost || e.Lost > 0
	switch e.Kind {
	case supervisor.EventStarting:
		if s.open[e.Path] && !s.lost {
			s.fault("%s starts while it runs", e.Path)
		}
		s.open[e.Path] = true
	case supervisor.EventFailed, supervisor.EventCompleted, supervisor.EventStopped:
		s.open[e.Path] = false
	case supervisor.EventAbandoned:
		s.open[e.Path] = false
		s.left++
	case supervisor.EventLateExit:
		s.left--
	}
}

func (s *fuzzTree) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// call makes a call on a goroutine of its own, sometimes with little time.
func (s *fuzzTree) call(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	if s.dice.byte()&3 == 0 {
		ctx, cancel = context.WithTimeout(ctx, 12*time.Millisecond)
	}
	s.calls.Add(1)
	go func() {
		defer s.calls.Done()
		defer cancel()
		if err := f(ctx); err != nil && err.Error() == "" {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.fault("an error without a text: %#v", err)
		}
	}()
}

// names are the names that calls use. Some belong to no child.
var fuzzNames = []string{"a", "b", "c", "sub", "sub/p", "/root/sub/q", "x", "sub/y", "no/body", "/root"}

func (s *fuzzTree) name() string { return fuzzNames[s.dice.intn(len(fuzzNames))] }

// anyRun returns a run that has not returned, or nil.
func (s *fuzzTree) anyRun() *fuzzRun {
	path := "/root/" + strings.TrimPrefix(s.name(), "/root/")
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.live {
		if r.ctx.Path() == path {
			return r
		}
	}
	return nil
}

// happen makes one thing happen, chosen by the dice.
func (s *fuzzTree) happen() {
	root, sub := s.root, s.sub
	switch s.dice.intn(16) {
	case 0:
		x := s.child("x", strategy.Never)
		s.call(func(ctx context.Context) error { return root.StartChild(ctx, x) })
	case 1:
		y, z := s.child("y", strategy.Never), s.child("z", strategy.Never)
		s.call(func(ctx context.Context) error { return sub.StartChild(ctx, y, z) })
	case 2:
		name := s.name()
		s.call(func(ctx context.Context) error { return root.StopChild(ctx, name) })
	case 3:
		name := s.name()
		s.call(func(ctx context.Context) error { return root.RestartChild(ctx, name) })
	case 4:
		one, other := s.name(), s.name()
		s.call(func(ctx context.Context) error { return root.RemoveChild(ctx, one, other) })
	case 5, 6, 7:
		if r := s.anyRun(); r != nil {
			select {
			case r.end <- fuzzEnds[s.dice.intn(len(fuzzEnds))]:
			default: // it has an order already
			}
		}
	case 8:
		if r := s.anyRun(); r != nil { // calls of a child, from beside it
			r.ctx.Unready(errBoom)
			r.ctx.OnError(errBoom)
			r.ctx.Heartbeat()
			_ = r.ctx.Ready()
		}
	case 9:
		if r := s.anyRun(); r != nil { // a child that is in the way of its own stop
			name := s.name()
			s.call(func(context.Context) error { return root.RestartChild(r.ctx, name) })
		}
	case 10:
		[]func(context.Context){root.Suspend, root.Resume, sub.Suspend, sub.Resume}[s.dice.intn(4)](context.Background())
	case 11:
		if s.dice.intn(2) == 0 {
			_ = root.Upgrade(s.supervisor("sub", "a", "c", "d"))
		} else {
			_ = sub.Upgrade(s.supervisor("", "q", "r"))
		}
	case 12:
		s.look()
	case 13:
		time.Sleep([]time.Duration{time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 10 * time.Second}[s.dice.intn(4)])
	case 14:
		synctest.Wait()
	case 15:
		switch s.dice.intn(3) {
		case 0:
			s.call(func(ctx context.Context) error { return root.Stop(ctx) })
		case 1:
			s.call(func(ctx context.Context) error { return root.Start(ctx) })
		default:
			s.call(func(ctx context.Context) error { return root.Serve(ctx) })
			s.call(func(ctx context.Context) error { return root.Stop(ctx) })
		}
	}
}

// fuzzEnds are the ways in which a run ends by itself.
var fuzzEnds = []func() error{
	func() error { return errBoom },
	func() error { return nil },
	func() error { return child.ErrShutdown },
	func() error { return child.ErrDone },
	func() error { return child.ErrIgnore },
	func() error { return child.Escalate(errBoom) },
	func() error { panic(errBoom) },
	func() error { runtime.Goexit(); return nil },
}

// look calls every method that takes a snapshot.
func (s *fuzzTree) look() {
	tree := s.root.Tree()
	for st := range tree.All() {
		s.root.Lookup(st.Path)
	}
	if _, err := json.Marshal(tree); err != nil {
		s.t.Error(err)
	}
	if tree.String() == "" {
		s.t.Error("an empty tree")
	}
	if c := s.root.Count(); c.Workers+c.Supervisors != c.Specs || c.Active > c.Specs {
		s.t.Errorf("counts that do not add up: %+v", c)
	}
	_ = s.root.Health()
	s.sub.Children(child.Running)
}

// stop stops the tree and looks for what is left. A call may start it again in
// the meantime, so it is stopped until all calls have returned.
func (s *fuzzTree) stop() {
	t := s.t
	returned := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(returned)
	}()
	for waited, all := 0, false; !all; waited++ {
		if waited == 1000 {
			t.Fatalf("a call does not return:\n%v", s.root.Tree())
		}
		var left *supervisor.StopError
		if err := s.root.Stop(context.Background()); err != nil && !errors.As(err, &left) {
			t.Errorf("stop: %v", err)
		}
		select {
		case <-returned:
			all = true
		case <-time.After(time.Second):
		}
	}
	_ = s.root.Stop(context.Background())
	close(s.release)
	time.Sleep(time.Minute) // longer than any grace of an abandoned run
	synctest.Wait()
	for _, sup := range []*supervisor.Supervisor{s.root, s.sub} {
		select {
		case <-sup.Done():
		default:
			t.Errorf("%v has not ended", sup)
		}
		if c := sup.Count(); c.Active != 0 {
			t.Errorf("%v: %d are active after the end", sup, c.Active)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.live {
		t.Errorf("%s has not returned", r.ctx.Path())
	}
	for _, fault := range s.faults {
		t.Error(fault)
	}
	if s.lost {
		return
	}
	if s.left != 0 {
		t.Errorf("%d abandoned runs did not report that they returned", s.left)
	}
	for path, open := range s.open {
		if open {
			t.Errorf("the end of %s was not reported", path)
		}
	}
}

// dice are the bytes that decide; when there are no more, they show zero.
type dice []byte

func (d *dice) byte() byte {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return b
}

func (d *dice) intn(n int) int { return int(d.byte()) % n }

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A timer that was not stopped keeps what its function refers to until it fires: here for an
// hour, or longer than any test lasts. Nothing else shows it, since it does nothing then.

var discard = slog.New(slog.DiscardHandler)

// A cargo is what a child's Run refers to.
type cargo [1024]byte

// requireFreed requires that nothing refers to what p pointed to. It calls meanwhile
// between two checks.
func requireFreed[T any](t *testing.T, p weak.Pointer[T], meanwhile ...func()) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); p.Value() != nil; runtime.GC() {
		if time.Now().After(limit) {
			t.Fatal("it is still referred to")
		}
		dropStoppedTimers()
		for _, f := range meanwhile {
			f()
		}
	}
}

// dropStoppedTimers has the runtime look through its timers. Each processor keeps stopped
// ones, and what they refer to, until they are a good part of all that it has.
func dropStoppedTimers() {
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for range 2_000 { // many more than are left from other tests
				time.AfterFunc(time.Hour, func() {}).Stop()
			}
			runtime.Gosched()
		})
	}
	all.Wait()
}

// A holding is a child that has a timer of an hour.
type holding struct {
	name  string
	spec  child.Spec
	until EventKind // what says that the timer is set
	run   func(child.Context) error
}

var holdings = []holding{
	{"a heartbeat", child.Spec{Heartbeat: time.Hour}, EventReady, func(ctx child.Context) error {
		err := ctx.Ready()
		<-ctx.Done()
		return err
	}},
	{"a backoff", child.Spec{Backoff: child.Constant(time.Hour)}, EventRestarting, func(ctx child.Context) error {
		return errors.Join(ctx.Ready(), errors.New("boom"))
	}},
	{"a start timeout", child.Spec{StartTimeout: time.Hour}, EventStarting, func(ctx child.Context) error {
		<-ctx.Done()
		return nil
	}},
	{"a start timeout that was met", child.Spec{StartTimeout: time.Hour}, EventReady, func(ctx child.Context) error {
		err := ctx.Ready()
		<-ctx.Done()
		return err
	}},
	{"a stop timeout", child.Spec{StopTimeout: time.Hour}, EventReady, func(ctx child.Context) error {
		err := ctx.Ready()
		<-ctx.Done()
		return err
	}},
	{"a grace from before the stop", child.Spec{StopTimeout: time.Hour}, EventReady, func(ctx child.Context) error {
		ctx.Grace()
		err := ctx.Ready()
		<-ctx.Done()
		return err
	}},
	{"a grace from after the stop", child.Spec{StopTimeout: time.Hour}, EventReady, func(ctx child.Context) error {
		err := ctx.Ready()
		<-ctx.Done()
		ctx.Grace()
		return err
	}},
}

// start adds the child to s, and returns what it refers to and its first run.
func (h holding) start(t *testing.T, s *Supervisor) (weak.Pointer[cargo], weak.Pointer[run]) {
	load, first := new(cargo), make(chan weak.Pointer[run], 1)
	spec := h.spec
	spec.Name = "a"
	spec.Run = func(ctx child.Context) error {
		if load[0]++; load[0] == 1 {
			first <- weak.Make(ctx.(*run))
		}
		return h.run(ctx)
	}
	set := make(chan struct{}, 10)
	cancel := s.Subscribe(func(Event) { set <- struct{}{} }, h.until)
	started := make(chan error, 1)
	go func() { started <- s.StartChild(context.Background(), spec) }()
	if h.until != EventStarting {
		require.NoError(t, <-started)
	}
	<-set
	cancel()
	return weak.Make(load), <-first
}

func TestNothingIsKeptOfAChildThatWasRemoved(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		for _, h := range holdings {
			t.Run(fmt.Sprint(s, "/", h.name), func(t *testing.T) {
				s := New(Spec{Logger: discard, Strategy: s})
				require.NoError(t, s.Start(t.Context()))
				t.Cleanup(func() { _ = s.Stop(context.Background()) })
				load, _ := h.start(t, s)
				require.NoError(t, s.RemoveChild(context.Background(), "a"))
				requireFreed(t, load)
				require.Empty(t, s.Children())
			})
		}
	}
}

// carrying returns a run that refers to a cargo.
func carrying(run func(child.Context) error) (weak.Pointer[cargo], func(child.Context) error) {
	load := new(cargo)
	return weak.Make(load), func(ctx child.Context) error {
		load[0]++
		return run(ctx)
	}
}

// A child that stays must not keep the specs that were applied together with its own.
func TestNothingIsKeptOfAnEarlierApply(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent, strategy.Graph} {
		for _, version := range []string{"", "2"} { // added; replaced
			t.Run(fmt.Sprint(s, "/", version), func(t *testing.T) {
				idle := func(ctx child.Context) error {
					err := ctx.Ready()
					<-ctx.Done()
					return err
				}
				stays := child.Spec{Name: "stays", Version: version, Run: idle}
				want := Spec{Logger: discard, Strategy: s}
				if version != "" {
					want.Children = []child.Spec{{Name: "stays", Version: "1", Run: idle}}
				}
				stays.Version += "x"
				sup := New(want)
				require.NoError(t, sup.Start(t.Context()))
				t.Cleanup(func() { _ = sup.Stop(context.Background()) })
				at, carries := carrying(idle)
				want.Children = []child.Spec{stays, {Name: "goes", Version: "1", Run: carries}}
				_, err := sup.Apply(t.Context(), want)
				require.NoError(t, err)
				carries, want.Children = nil, []child.Spec{stays}
				_, err = sup.Apply(t.Context(), want)
				require.NoError(t, err)
				requireFreed(t, at)
			})
		}
	}
}

func TestNothingIsKeptOfARunThatIsOver(t *testing.T) {
	for _, h := range holdings {
		if h.until == EventStarting {
			continue // it never comes to a second run
		}
		t.Run(h.name, func(t *testing.T) {
			s := New(Spec{Logger: discard})
			require.NoError(t, s.Start(t.Context()))
			t.Cleanup(func() { _ = s.Stop(context.Background()) })
			_, first := h.start(t, s)
			require.NoError(t, s.StopChild(context.Background(), "a"))
			require.NoError(t, s.RestartChild(context.Background(), "a"))
			requireFreed(t, first)
			require.Len(t, s.Children(), 1)
		})
	}
}

func TestNothingIsKeptOfASupervisorThatHasEnded(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Hour} {
		for _, h := range holdings {
			t.Run(fmt.Sprint(h.name, ", for the whole ", limit), func(t *testing.T) {
				s := New(Spec{Logger: discard, StopTimeout: limit})
				require.NoError(t, s.Start(t.Context()))
				load, _ := h.start(t, s)
				require.NoError(t, s.Stop(context.Background()))
				requireFreed(t, load)
			})
		}
	}
}

// A subscriber may be stuck for ever.
func TestEventsThatWaitAreNotKeptWhenTheSubscriptionIsCancelled(t *testing.T) {
	running := make(chan child.Context)
	s := New(Spec{Logger: discard, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		err := ctx.Ready()
		running <- ctx
		<-ctx.Done()
		return err
	}}}})
	stuck, goOn := make(chan struct{}, 10), make(chan struct{})
	cancel := s.Subscribe(func(Event) { stuck <- struct{}{}; <-goOn }, EventError, EventReady)
	require.NoError(t, s.Start(t.Context()))
	<-stuck
	ctx := <-running
	report := func() weak.Pointer[reported] {
		err := new(reported)
		ctx.OnError(err)
		return weak.Make(err)
	}
	err := report()
	ctx.OnError(errors.New("the next")) // which is the last error of the child then
	cancelled := make(chan struct{})
	go func() {
		cancel()
		close(cancelled)
	}()
	requireFreed(t, err)
	close(goOn)
	<-cancelled
	require.NoError(t, s.Stop(context.Background()))
}

// reported is an error that an event refers to.
type reported struct{ cargo }

func (r *reported) Error() string { _ = r.cargo; return "reported" }

// A slowLog is a handler that blocks at the first line until it is released.
type slowLog struct {
	slog.Handler
	load     *cargo
	released chan struct{}
}

func (h slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (h slowLog) Handle(context.Context, slog.Record) error {
	<-h.released
	h.load[0]++
	return nil
}

// The end of a tree waits for the logs of nested supervisors that have ended before. It
// does not keep those that have written all.
func TestLogOfANestedSupervisorIsNotKeptWhenAllIsWritten(t *testing.T) {
	root := New(Spec{Logger: discard})
	require.NoError(t, root.Start(t.Context()))
	passBy := func(released chan struct{}) weak.Pointer[cargo] {
		load := new(cargo)
		log := slog.New(slowLog{slog.DiscardHandler, load, released})
		nested := New(Spec{Logger: log, Children: []child.Spec{{Name: "x", Run: func(ctx child.Context) error {
			err := ctx.Ready()
			<-ctx.Done()
			return err
		}}}})
		require.NoError(t, root.StartChild(context.Background(), child.Spec{Name: "in", Run: nested.Run}))
		require.NoError(t, root.RemoveChild(context.Background(), "in"))
		return weak.Make(load)
	}
	released := make(chan struct{})
	load := passBy(released)
	runtime.GC()
	require.NotNil(t, load.Value(), "it has lines to write")
	close(released)
	requireFreed(t, load, func() { passBy(released) }) // the next to end lets go of it
	require.NoError(t, root.Stop(context.Background()))
}

// Deadlines of one length stand in a queue of their own.
func TestQueueOfDeadlinesIsNotKeptWhenItIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Spec{Logger: discard, Strategy: strategy.Independent})
		require.NoError(t, s.Start(t.Context()))
		t.Cleanup(func() { _ = s.Stop(context.Background()) })
		for i := range 100 {
			spec := child.Spec{Name: fmt.Sprint(i), StartTimeout: time.Duration(i+1) * time.Second, Run: func(ctx child.Context) error {
				<-ctx.Done()
				return nil
			}}
			require.ErrorIs(t, s.StartChild(t.Context(), spec), child.ErrStartTimeout)
			synctest.Wait()
			l := s.latest()
			l.mu.Lock()
			kept := len(l.timers.others)
			l.mu.Unlock()
			require.LessOrEqual(t, kept, 1)
		}
	})
}

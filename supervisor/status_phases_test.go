package supervisor_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/picture"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var phases = []string{"New", "Starting", "Up", "Stopping", "Over"}

// phaseOf returns the phase of a supervisor.
func phaseOf(sup *supervisor.Supervisor) string {
	switch st := sup.Tree().State; {
	case st == child.Running:
		return "Up"
	case st != child.Stopped:
		return stateNames[st]
	}
	done := make(chan error, 1)
	go func() { done <- sup.Wait() }()
	synctest.Wait()
	if errors.Is(<-done, supervisor.ErrNotRunning) {
		return "New"
	}
	return "Over"
}

var stateNames = map[child.State]string{child.Starting: "Starting", child.Stopping: "Stopping"}

// A laggard is a supervisor with one child that takes a second to start and a second to
// stop, so that each phase takes time, and one child that the test can let fail.
type laggard struct {
	*supervisor.Supervisor
	puppet *puppet
	cancel context.CancelFunc
}

func newLaggard(spec supervisor.Spec) *laggard {
	s := &laggard{puppet: newPuppet(), cancel: func() {}}
	spec.Logger = quiet
	spec.Children = []child.Spec{
		{Name: "fails", Run: s.puppet.Run, Restart: child.Transient, Significant: spec.AutoShutdown != strategy.Never},
		{Name: "slow", Run: takes(time.Second)},
	}
	s.Supervisor = supervisor.New(spec)
	return s
}

// takes is a Run that takes d to start, and d to stop.
func takes(d time.Duration) func(child.Context) error {
	return func(ctx child.Context) error {
		if !child.Sleep(ctx, d) {
			if err := idle(ctx); err != nil {
				return err
			}
		}
		time.Sleep(d)
		return nil
	}
}

// serve runs the supervisor in the background until its cancel is called.
func (s *laggard) serve(t *testing.T) {
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(t.Context())
	go func() { _ = s.Serve(ctx) }()
	synctest.Wait()
}

// to brings the supervisor into a phase.
func (s *laggard) to(t *testing.T, phase string) {
	t.Helper()
	if phase != "New" {
		s.serve(t)
	}
	switch phase {
	case "Up":
		time.Sleep(1500 * time.Millisecond)
	case "Stopping":
		time.Sleep(1500 * time.Millisecond)
		s.cancel()
	case "Over":
		s.cancel()
		time.Sleep(5 * time.Second)
	}
	synctest.Wait()
	require.Equal(t, phase, phaseOf(s.Supervisor))
}

// end stops the supervisor in any phase.
func (s *laggard) end() {
	s.cancel()
	_ = s.Stop(context.Background())
}

func supervisorDoc(t *testing.T) (drawn map[picture.Edge]bool, ways, calls [][]string) {
	doc, err := picture.Doc("supervisor.go", "Supervisor")
	require.NoError(t, err)
	blocks := picture.Blocks(doc)
	require.Len(t, blocks, 3, "a drawing, the ways, the calls")
	head, ways := picture.Rows(blocks[1])
	require.Equal(t, []string{"from", "to", "when"}, head)
	head, calls = picture.Rows(blocks[2])
	require.Equal(t, append([]string{"call"}, phases...), head)
	return picture.Arrows(blocks[0], phases), ways, calls
}

func TestThePhasesOfASupervisorAreAsDrawnAndListed(t *testing.T) {
	drawn, ways, _ := supervisorDoc(t)
	listed := map[picture.Edge]bool{}
	for _, row := range ways {
		listed[picture.Edge{From: row[0], To: row[1]}] = true
	}
	require.Equal(t, listed, drawn, "drawing and table")

	// Each reason that the table gives.
	giveUp := supervisor.Spec{Intensity: strategy.AtMost(0, time.Second)}
	auto := supervisor.Spec{AutoShutdown: strategy.AnySignificant}
	reasons := []struct {
		from, to string
		spec     supervisor.Spec
		do       func(t *testing.T, s *laggard)
	}{
		{"New", "Starting", supervisor.Spec{}, serveIt},
		{"New", "Starting", supervisor.Spec{}, startIt},
		{"New", "Starting", supervisor.Spec{}, runIt},
		{"Starting", "Up", supervisor.Spec{}, func(*testing.T, *laggard) { time.Sleep(1500 * time.Millisecond) }},
		{"Starting", "Stopping", supervisor.Spec{}, func(_ *testing.T, s *laggard) { s.cancel() }},
		{"Starting", "Stopping", supervisor.Spec{}, func(_ *testing.T, s *laggard) { go func() { _ = s.Stop(context.Background()) }() }},
		{"Starting", "Stopping", giveUp, func(_ *testing.T, s *laggard) { s.puppet.end(errBoom) }},
		{"Up", "Stopping", supervisor.Spec{}, func(_ *testing.T, s *laggard) { s.cancel() }},
		{"Up", "Stopping", supervisor.Spec{}, func(_ *testing.T, s *laggard) { go func() { _ = s.Stop(context.Background()) }() }},
		{"Up", "Stopping", giveUp, func(_ *testing.T, s *laggard) { s.puppet.end(errBoom) }},
		{"Up", "Stopping", auto, func(_ *testing.T, s *laggard) { s.puppet.end(nil) }},
		{"Stopping", "Over", supervisor.Spec{}, func(*testing.T, *laggard) { time.Sleep(1500 * time.Millisecond) }},
		{"Over", "Starting", supervisor.Spec{}, serveIt},
		{"Over", "Starting", supervisor.Spec{}, startIt},
		{"Over", "Starting", supervisor.Spec{}, runIt},
	}
	tried := map[picture.Edge]bool{}
	for _, reason := range reasons {
		tried[picture.Edge{From: reason.from, To: reason.to}] = true
		bubble(t, func(t *testing.T) {
			s := newLaggard(reason.spec)
			s.to(t, reason.from)
			reason.do(t, s)
			synctest.Wait()
			require.Equal(t, reason.to, phaseOf(s.Supervisor), "from %s", reason.from)
			s.end()
		})
	}
	require.Equal(t, listed, tried, "table and code")
}

func serveIt(t *testing.T, s *laggard) { s.serve(t) }

func startIt(t *testing.T, s *laggard) {
	go func() { _ = s.Start(t.Context()) }()
	synctest.Wait()
}

func runIt(t *testing.T, s *laggard) {
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() { _ = s.Run(child.FromContext(ctx)) }()
	synctest.Wait()
}

func TestAStartThatFailsLeadsFromStartingToStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "slow", Run: takes(time.Second)},
			{Name: "fails", Run: func(child.Context) error { return errBoom }},
		}})
		go func() { _ = sup.Start(t.Context()) }()
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, "Starting", phaseOf(sup))
		time.Sleep(time.Second)
		require.Equal(t, "Stopping", phaseOf(sup))
		time.Sleep(time.Second)
		require.Equal(t, "Over", phaseOf(sup))
	})
}

func TestASupervisorChangesPhaseOnlyAsListed(t *testing.T) {
	drawn, _, _ := supervisorDoc(t)
	bubble(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		s := newLaggard(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second)})
		seen := map[picture.Edge]bool{}
		was := phaseOf(s.Supervisor)
		for range 2000 {
			switch r.IntN(12) {
			case 0:
				go func() { _ = s.Start(t.Context()) }()
			case 1:
				go func() { _ = s.Stop(context.Background()) }()
			case 2:
				if state, ok := s.Lookup("fails"); ok && state.State == child.Running {
					s.puppet.end(errBoom)
				}
			default:
				time.Sleep(200 * time.Millisecond)
			}
			synctest.Wait()
			if is := phaseOf(s.Supervisor); is != was {
				edge := picture.Edge{From: was, To: is}
				require.Contains(t, drawn, edge)
				seen[edge], was = true, is
			}
		}
		require.Equal(t, drawn, seen, "and all of them")
		s.end()
	})
}

func TestEachCallDoesInEachPhaseWhatTheTableSays(t *testing.T) {
	_, _, calls := supervisorDoc(t)
	names := map[string]bool{}
	for _, row := range calls {
		require.Len(t, row, 1+len(phases), "%v", row)
		names[row[0]] = true
		for i, phase := range phases {
			underEach(t, func(t *testing.T, strat strategy.Strategy) {
				s := newLaggard(supervisor.Spec{Strategy: strat})
				s.to(t, phase)
				require.Equal(t, row[1+i], whatCallDoes(t, s, row[0]), "%s, %s", row[0], phase)
				s.end()
			})
		}
	}
	require.Len(t, names, 12)
}

// A call for an unknown child returns what the table says too. While an Independent
// supervisor stops, its children are forgotten one by one.
func TestACallForAnUnknownChildDependsOnThePhaseToo(t *testing.T) {
	for _, phase := range phases {
		running := phase == "Starting" || phase == "Up"
		paths := []string{"nobody", "nobody/below", "/root/nobody", "/elsewhere/nobody"}
		if !running {
			paths = append(paths, "fails") // which is gone by then, or may be
		}
		t.Run(phase, func(t *testing.T) {
			underEach(t, func(t *testing.T, strat strategy.Strategy) {
				s := newLaggard(supervisor.Spec{Strategy: strat})
				s.to(t, phase)
				for _, path := range paths {
					for call, does := range map[string]func(context.Context, ...string) error{
						"StopChild": s.StopChild, "RestartChild": s.RestartChild, "RemoveChild": s.RemoveChild,
					} {
						err := does(t.Context(), path)
						switch {
						case !running:
							require.ErrorIs(t, err, supervisor.ErrNotRunning, "%s of %s", call, path)
						case call == "RemoveChild":
							require.NoError(t, err, "%s of %s", call, path)
						default:
							require.ErrorIs(t, err, supervisor.ErrNotFound, "%s of %s", call, path)
						}
					}
				}
				s.end()
			})
		})
	}
}

// whatCallDoes returns the immediate result of a call, or that it waits.
func whatCallDoes(t *testing.T, s *laggard, call string) string {
	result := make(chan string, 1)
	go func() {
		var err error
		switch call {
		case "Serve":
			ctx, cancel := context.WithCancel(t.Context())
			s.cancel = func() { cancel() }
			err = s.Serve(ctx)
		case "Start":
			err = s.Start(t.Context())
		case "Stop":
			err = s.Stop(context.Background())
		case "Wait":
			err = s.Wait()
		case "StartChild":
			err = s.StartChild(context.Background(), child.Spec{Name: "new", Run: takes(time.Second)})
		case "StopChild":
			err = s.StopChild(context.Background(), "slow")
		case "RestartChild":
			err = s.RestartChild(context.Background(), "slow")
		case "RemoveChild":
			err = s.RemoveChild(context.Background(), "slow")
		case "Upgrade":
			err = s.Upgrade(supervisor.Spec{Strategy: s.Tree().Strategy, Children: []child.Spec{{Name: "fails", Run: idle}, {Name: "slow", Run: takes(time.Second)}}})
		case "Apply":
			_, err = s.Apply(context.Background(), supervisor.Spec{Strategy: s.Tree().Strategy, Children: []child.Spec{{Name: "slow", Version: "2", Run: takes(time.Second)}}})
		case "Health":
			err = s.Health()
		case "Tree's State":
			result <- s.Tree().State.String()
			return
		default:
			result <- "unknown call"
			return
		}
		switch {
		case err == nil:
			result <- "nil"
		case errors.Is(err, supervisor.ErrNotRunning):
			result <- "ErrNotRunning"
		case errors.Is(err, supervisor.ErrAlreadyStarted):
			result <- "ErrAlreadyStarted"
		case errors.Is(err, child.ErrNotReady):
			result <- "ErrNotReady"
		default:
			result <- err.Error()
		}
	}()
	synctest.Wait()
	select {
	case r := <-result:
		return r
	default:
		return "waits"
	}
}

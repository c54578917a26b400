package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

var silent = slog.New(slog.DiscardHandler)

// A campaign is one call of Play.
type campaign struct {
	tr    *testkit.Tree
	spec  Spec
	live  bool
	runs  func() map[string]int // the number of live runs, by path
	dice  *rand.Rand            // draws which action comes when
	rng   *rand.Rand            // draws the details; seeded again for each action, so that none depends on others
	watch *watch
	began time.Time
	calls sync.WaitGroup
	later []task
	over  bool // the final stop has begun

	mu     sync.Mutex
	report Report
	notes  []note
	coming map[string]bool            // children that are being added
	asked  int                        // calls so far
	waits  map[int]context.CancelFunc // cancels the calls that wait, by their number
}

// A task is an action with a time.
type task struct {
	due     time.Time
	resumes bool // it resumes a suspended supervisor
	do      func()
}

func newCampaign(tr *testkit.Tree, spec Spec) *campaign {
	c := &campaign{
		tr: tr, spec: spec, live: !testkit.InBubble(), began: time.Now(),
		dice:   rand.New(rand.NewPCG(spec.Seed, 0)),
		coming: make(map[string]bool),
		waits:  make(map[int]context.CancelFunc),
	}
	c.runs = func() map[string]int {
		live, _ := tr.Injector.Live()
		return live
	}
	c.report = Report{Name: spec.Name, Seed: spec.Seed, Live: c.live, Duration: spec.Duration,
		Done: map[string]int{}, Errors: map[string]int{}, Events: map[string]uint64{}}
	testkit.Settle()
	c.watch = newWatch(tr, !c.live)
	return c
}

// play runs the actions, stops the tree, and returns the report.
func (c *campaign) play() *Report {
	c.run()
	c.finish()
	r := c.result()
	c.spec.judge(r)
	return r
}

// run runs actions until the time is over.
func (c *campaign) run() {
	c.seed()
	for end := c.began.Add(c.spec.Duration); time.Now().Before(end); {
		c.pause(draw(c.dice, c.spec.Tick))
		c.report.Ticks++
		c.dueTasks()
		c.tick()
	}
}

// pause lets time pass: virtual time with everything that happens in it, or real time.
func (c *campaign) pause(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	c.settle()
}

func (c *campaign) settle() {
	if c.live {
		runtime.Gosched()
		return
	}
	synctest.Wait()
}

// apart ensures that in virtual time no two actions come at the same instant.
func (c *campaign) apart() {
	if !c.live {
		c.pause(time.Microsecond)
	}
}

func (c *campaign) dueTasks() {
	now := time.Now()
	var due []task
	c.later = slices.DeleteFunc(c.later, func(t task) bool {
		if t.due.After(now) {
			return false
		}
		due = append(due, t)
		return true
	})
	for _, t := range due {
		t.do()
		c.apart()
	}
}

// seed seeds rng for the next action.
func (c *campaign) seed() { c.rng = rand.New(rand.NewPCG(c.spec.Seed, uint64(c.report.Actions)+1)) }

// tick draws the actions of a tick. Each action is drawn first, and looks for its child
// then. So there is one draw for each chance at each tick, and the draws are the same if
// some of the actions are left out.
func (c *campaign) tick() {
	s := &c.spec
	for _, a := range []struct {
		chance float64
		do     func()
	}{
		{s.AddSupervisor, func() { c.add(true) }},
		{s.RemoveSupervisor, func() { c.remove(isAddedSupervisor) }},
		{s.Add, func() { c.add(false) }},
		{s.Remove, func() { c.remove(isAdded) }},
		{s.Stop, func() {
			if path, ok := c.pick(isAdded); ok {
				c.call("stop", path, func(ctx context.Context) error { return c.tr.Sup.StopChild(ctx, path) })
			}
		}},
		{s.Restart, func() {
			if path, ok := c.pick(isAny); ok {
				c.call("restart", path, func(ctx context.Context) error { return c.tr.Sup.RestartChild(ctx, path) })
			}
		}},
		{s.Crash, func() { c.crash("crash", Err) }},
		{s.Panic, func() {
			if hit(c.rng, 0.5) {
				c.crash("panic", testkit.Panic(Err))
			} else {
				c.crash("goexit", child.ErrGoexit)
			}
		}},
		{s.Hang, func() {
			d := draw(c.rng, s.HangTime)
			if path, ok := c.pick(isRunning); ok && c.tr.Injector.Hang(path, d) {
				c.did("hang", path)
			}
		}},
		{s.Suspend, c.suspend},
		{s.Check, c.check},
	} {
		if hit(c.dice, a.chance) {
			c.report.Actions++
			if c.spec.Only != nil && !slices.Contains(c.spec.Only, c.report.Actions) {
				continue
			}
			c.seed()
			a.do()
			c.apart()
		}
		c.startAgain()
	}
}

// The prefixes of the names that Play adds.
const (
	addedChild      = "c~"
	addedSupervisor = "s~"
)

// Which children an action may pick.
func isAny(st child.Status) bool     { return true }
func isRunning(st child.Status) bool { return st.State == child.Running }
func isAdded(st child.Status) bool {
	return strings.HasPrefix(st.Name, addedChild) && st.State == child.Running
}
func isAddedSupervisor(st child.Status) bool {
	return strings.HasPrefix(st.Name, addedSupervisor) && st.State == child.Running
}

// pick draws a child of the tree.
func (c *campaign) pick(fits func(child.Status) bool) (path string, ok bool) {
	var all []string
	for st := range c.tr.Sup.Tree().All() {
		if st.Path != c.tr.Sup.Path() && fits(st) {
			all = append(all, st.Path)
		}
	}
	n := c.rng.Uint64() // drawn even if there is no child
	if len(all) == 0 {
		return "", false
	}
	return all[n%uint64(len(all))], true
}

// pickSupervisor draws a supervisor that runs.
func (c *campaign) pickSupervisor() *supervisor.Supervisor {
	all := []*supervisor.Supervisor{c.tr.Sup}
	for st := range c.tr.Sup.Tree().All() {
		if st.Supervisor && st.State == child.Running && strings.Count(st.Path, "/") < 5 {
			if sup := c.tr.Injector.Super(st.Path); sup != nil && sup != c.tr.Sup {
				all = append(all, sup)
			}
		}
	}
	return all[c.rng.IntN(len(all))]
}

// add adds a child, or a supervisor, somewhere.
func (c *campaign) add(super bool) {
	sup := c.pickSupervisor()
	kind, limit := addedChild, c.spec.MaxChildren
	if super {
		kind, limit = addedSupervisor, c.spec.MaxSupervisors
	}
	name := fmt.Sprintf("%s%d", kind, c.report.Actions)
	path := sup.Path() + "/" + name
	ours := sup != c.tr.Sup && strings.Contains(sup.Path(), "/"+addedSupervisor)
	var spec child.Spec
	if super {
		spec = c.supervisor(name)
	} else {
		spec = c.child(name, ours)
		c.watch.allow(name, spec.StopTimeout)
	}
	after := draw(c.rng, c.spec.RemoveAfter)
	c.mu.Lock()
	there := make(map[string]bool)
	for p := range c.coming {
		there[p] = strings.HasPrefix(p[strings.LastIndex(p, "/")+1:], kind)
	}
	c.mu.Unlock()
	for st := range c.tr.Sup.Tree().All() {
		there[st.Path] = strings.HasPrefix(st.Name, kind)
	}
	n := 0
	for _, is := range there {
		if is {
			n++
		}
	}
	if n >= limit {
		return
	}
	c.mu.Lock()
	c.coming[path] = true
	c.mu.Unlock()
	if !super && after > 0 {
		c.later = append(c.later, task{due: time.Now().Add(after), do: func() { c.removeAt(path) }})
	}
	what := "add"
	if super {
		what = "add supervisor"
	}
	c.call(what, path, func(ctx context.Context) error {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.coming, path)
		}()
		return sup.StartChild(ctx, spec)
	})
}

func (c *campaign) remove(fits func(child.Status) bool) {
	if path, ok := c.pick(fits); ok {
		c.removeAt(path)
	}
}

func (c *campaign) removeAt(path string) {
	c.call("remove", path, func(ctx context.Context) error { return c.tr.Sup.RemoveChild(ctx, path) })
}

func (c *campaign) crash(what string, err error) {
	if path, ok := c.pick(isRunning); ok && c.tr.Injector.Crash(path, err) {
		c.did(what, path)
	}
}

func (c *campaign) suspend() {
	d := draw(c.rng, c.spec.SuspendTime)
	sup := c.pickSupervisor()
	path := sup.Path()
	c.did("suspend", path)
	sup.Suspend(context.Background())
	c.later = append(c.later, task{due: time.Now().Add(d), resumes: true, do: func() {
		c.did("resume", path)
		sup.Resume(context.Background())
	}})
}

// startAgain starts the tree if it has ended.
func (c *campaign) startAgain() {
	select {
	case <-c.tr.Sup.Done():
	default:
		return
	}
	c.did("start again", c.tr.Sup.Path())
	c.report.Again++
	c.watch.beginAgain(c.tr.Sup.Wait())
	if err := c.tr.Sup.Start(c.tr.Ctx); err != nil {
		c.failed(err) // the next tick tries again
	}
	c.settle()
}

// call makes a call that may have to wait, on another goroutine.
func (c *campaign) call(what, path string, f func(context.Context) error) {
	impatient, patience := hit(c.rng, c.spec.Impatience), draw(c.rng, c.spec.Patience)
	c.did(what, path)
	if !impatient {
		patience = time.Duration(math.MaxInt64)
	}
	ctx, cancel := context.WithTimeout(c.tr.Ctx, patience)
	c.mu.Lock()
	c.asked++
	n := c.asked
	c.waits[n] = cancel
	c.mu.Unlock()
	c.calls.Go(func() {
		defer cancel()
		err := f(ctx)
		c.mu.Lock()
		delete(c.waits, n)
		c.mu.Unlock()
		c.note(asked, path, fmt.Sprintf("%s: %s", what, testkit.OneLine(err)))
		if err != nil {
			c.failed(err)
		}
	})
	c.settle()
}

// giveUp cancels all calls that still wait, one after another.
func (c *campaign) giveUp() {
	for n := range c.asked {
		c.mu.Lock()
		cancel := c.waits[n+1]
		c.mu.Unlock()
		if cancel != nil {
			cancel()
			c.apart()
		}
	}
	c.calls.Wait()
}

// did records an action.
func (c *campaign) did(what, path string) {
	c.note(doing, path, what)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Done[what]++
}

// failed counts an error that a call returned.
func (c *campaign) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over && errors.Is(err, context.Canceled) {
		return // giveUp has cancelled it
	}
	c.report.Errors[kindOf(err)]++
}

// kindOf classifies the error of a call, without details that differ from run to run.
func kindOf(err error) string {
	for _, kind := range []error{
		supervisor.ErrNotRunning, supervisor.ErrNeeded, supervisor.ErrNotFound, supervisor.ErrDuplicate, supervisor.ErrMaxChildren,
		supervisor.ErrSuspended, supervisor.ErrNested, context.DeadlineExceeded, context.Canceled,
		child.ErrRemoved, child.ErrSibling, child.ErrStopped, child.ErrNotReady, Err, child.ErrGoexit,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	var stop *supervisor.StopError
	if errors.As(err, &stop) {
		return "abandoned"
	}
	return "other"
}

package otptest

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A tree is a supervision tree of machines, one for each life of a supervisor, and of
// simulated processes. One thing happens at a time.
type tree struct {
	scenario *Scenario
	starts   map[string]int      // start attempts so far, by label
	running  map[string]*process // by label
	lives    []*life             // supervisors that have not ended, oldest first
	events   []string

	// What happens next: first all of todo, in order; then one message, if a supervisor
	// reads its mailbox; then the clock advances to the first of due.
	todo []func()
	due  []due
	now  time.Duration

	startError string // error of the root's start
	down       bool
	reason     string
}

// due is something that happens at a certain time.
type due struct {
	at    time.Duration
	do    func()
	child *machine.Child // the child that the timer belongs to, or nil
	run   uint64
	timer machine.Timer
}

func newTree(s *Scenario) *tree {
	return &tree{scenario: s, starts: make(map[string]int), running: make(map[string]*process)}
}

func (t *tree) log(format string, args ...any) {
	t.events = append(t.events, fmt.Sprintf(format, args...))
}

// later postpones what must not happen while a machine's actions are carried out.
func (t *tree) later(do func()) { t.todo = append(t.todo, do) }

// at schedules d, after everything that is due at the same time.
func (t *tree) at(d due) {
	i := slices.IndexFunc(t.due, func(x due) bool { return x.at > d.at })
	if i < 0 {
		i = len(t.due)
	}
	t.due = slices.Insert(t.due, i, d)
}

// settle runs the tree until nothing more happens. It stops a tree that restarts for ever.
func (t *tree) settle() {
	for range 100_000 {
		switch {
		case len(t.todo) > 0:
			do := t.todo[0]
			t.todo = t.todo[1:]
			do()
		case t.readMail():
		case len(t.due) > 0:
			d := t.due[0]
			t.due = t.due[1:]
			t.now = d.at
			d.do()
		default:
			return
		}
	}
	t.log("fault: no end of it")
	t.todo, t.due = nil, nil
}

// readMail makes one supervisor read one message of its mailbox. It reports whether there
// was one.
func (t *tree) readMail() bool {
	for _, l := range t.lives {
		if l.reads() {
			read := l.mail[0].read
			l.mail = l.mail[1:]
			read()
			return true
		}
	}
	return false
}

func (t *tree) Start() string {
	root := t.scenario.Root()
	if root.Start[0] == "ignore" {
		return "ignore"
	}
	if fault := root.SupFault(); fault != "" {
		return "error " + fault
	}
	newLife(t, &process{label: root.Label, node: root}).boot()
	t.settle()
	if t.startError != "" {
		return "error " + t.startError
	}
	return "ok"
}

func (t *tree) Do(step Step) []string {
	results := t.begin(step)
	t.settle()
	for _, l := range t.lives {
		l.check()
	}
	var texts []string
	for _, r := range results {
		if r.text == "" {
			r.text = "fault: never answered"
		}
		texts = append(texts, r.text)
	}
	return texts
}

// begin begins a step. Its results are complete when the tree is quiescent.
func (t *tree) begin(step Step) []*result {
	switch step.Call() {
	case "stop":
		root := t.lives[0]
		root.post(mail{read: func() { root.close("shutdown") }})
		return []*result{{text: "ok"}}
	case "sleep":
		ms, _ := strconv.Atoi(step.Arg(0))
		t.now += time.Duration(ms) * time.Millisecond
		return []*result{{text: "ok"}}
	case "align":
		t.now = t.now.Truncate(time.Second) + 1200*time.Millisecond
		return []*result{{text: "ok"}}
	case "exit":
		return []*result{t.exit(step.Arg(0), step.Arg(1))}
	}
	l := t.sup(step.Arg(0))
	if l == nil {
		return []*result{{text: "noproc"}}
	}
	if step.Call() != "batch" {
		return []*result{l.ask(step)}
	}
	l.suspended = true
	var results []*result
	for _, s := range step.Batch {
		results = append(results, t.begin(s)...)
		t.settle()
	}
	l.suspended = false
	return results
}

// sup returns the running supervisor with that label, or nil.
func (t *tree) sup(label string) *life {
	if p := t.running[label]; p != nil {
		return p.life
	}
	return nil
}

// exit makes a process end by itself.
func (t *tree) exit(label, reason string) *result {
	p := t.running[label]
	switch {
	case p == nil:
		return &result{text: "noproc"}
	case p.life != nil:
		p.life.post(mail{read: func() { p.life.close(reason) }})
	default:
		p.endsItself(reason)
	}
	return &result{text: "ok"}
}

func (t *tree) Events() []string {
	events := t.events
	t.events = nil
	return events
}

func (t *tree) Dump() []string { return t.running[t.scenario.Root().Label].life.dump() }

func (t *tree) Down() (string, bool) { return t.reason, t.down }

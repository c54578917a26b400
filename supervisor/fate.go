package supervisor

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A fate tells a Ref whether a child may offer something again. It goes by
// supervisor and name, not by run or life: the child that a later start makes is the
// same to those who wait.
type fate struct {
	sup  *Supervisor
	base string // path of the supervisor
	name string
}

func (f *fate) Path() string { return f.base + "/" + f.name }

// Gone looks at the child. Where its supervisor has ended that depends on what becomes
// of the child that the supervisor ran in, and so on up to the root.
func (f *fate) Gone(wake chan<- struct{}) (gone bool, forget func()) {
	for {
		l, name := f.lowest()
		if l == nil || l.isGone(name, wake) {
			return true, nil
		}
		// Another life may have ended, or begun below, before the watch did.
		if now, _ := f.lowest(); now == l {
			return false, func() { l.forget(name, wake) }
		}
		l.forget(name, wake)
	}
}

// lowest returns the life, from that of the child up, that has not ended, and the child
// in it that is the one, or in which that is; nil if the whole tree has ended.
func (f *fate) lowest() (l *life, name string) {
	for sup, name := f.sup, f.name; ; {
		l := sup.latest()
		switch up := l.parent; {
		case !l.isOver():
			return l, name
		case up == nil:
			return nil, ""
		default:
			sup, name = up.life.sup, up.spec.Name
		}
	}
}

// isGone reports whether nothing brings back the child of that name, unless somebody
// asks for it. If something may, wake gets something when that may have changed.
func (l *life) isGone(name string, wake chan<- struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	switch phase := l.m.Phase(); {
	case phase == machine.Unborn: // its children are not there yet
	case phase >= machine.Closing && l.parent != nil: // another life may follow
	case phase >= machine.Closing && (c == nil || !c.State().Alive()):
		return true
	case c == nil, c.State() == child.Done && !c.Marked():
		return true
	}
	if c != nil {
		c.Watched = true
	}
	l.fates.add(name, wake)
	return false
}

func (l *life) forget(name string, wake chan<- struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fates.remove(name, wake)
}

// A fateWatch is who wants to know when a child, by its name, may be gone for good. Each is
// woken once, and looks again. Under the lock of life.
type fateWatch map[string]map[chan<- struct{}]struct{}

func (w *fateWatch) add(name string, wake chan<- struct{}) {
	if *w == nil {
		*w = fateWatch{}
	}
	if (*w)[name] == nil {
		(*w)[name] = map[chan<- struct{}]struct{}{}
	}
	(*w)[name][wake] = struct{}{}
}

func (w fateWatch) remove(name string, wake chan<- struct{}) {
	if delete(w[name], wake); len(w[name]) == 0 {
		delete(w, name)
	}
}

// wake is not inlined, nor is wakeAll, for perform to have a small frame: see Ready.
//
//go:noinline
func (w fateWatch) wake(name string) {
	for wake := range w[name] {
		select {
		case wake <- struct{}{}:
		default: // it has been woken
		}
	}
	delete(w, name)
}

//go:noinline
func (w fateWatch) wakeAll() {
	for name := range w {
		w.wake(name)
	}
}

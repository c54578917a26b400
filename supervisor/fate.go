package supervisor

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A fate tells a Ref whether a child may publish a value again. It identifies the child
// by supervisor and name, not by run or life, so the child of a later start is the same
// one for those that wait.
type fate struct {
	sup  *Supervisor
	base string // path of the supervisor
	name string
}

func (f *fate) Path() string { return f.base + "/" + f.name }

// Gone reports whether the child is gone for good. If its supervisor has ended, that
// depends on the child that the supervisor ran in, and so on up to the root.
func (f *fate) Gone(wake chan<- struct{}) (gone bool, forget func()) {
	for {
		l, name := f.lowest()
		if l == nil || l.isGone(name, wake) {
			return true, nil
		}
		// Another life may have ended, or started below, before the watch began.
		if now, _ := f.lowest(); now == l {
			return false, func() { l.forget(name, wake) }
		}
		l.forget(name, wake)
	}
}

// lowest returns the lowest life on the way from the child to the root that has not
// ended, and the child in it that is, or contains, the one in question. It returns nil if
// the whole tree has ended.
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

// isGone reports whether the child of that name will not come back unless a caller starts
// it. If it may come back, wake is sent to when that may have changed.
func (l *life) isGone(name string, wake chan<- struct{}) bool {
	l.lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	switch phase := l.m.Phase(); {
	case phase == machine.Unborn: // its children do not exist yet
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
	l.lock()
	defer l.mu.Unlock()
	l.fates.remove(name, wake)
}

// A fateWatch holds the channels to wake when a child, by its name, may be gone for good.
// Each is woken once and then checks again. It is guarded by the lock of its life.
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

// wakeAll wakes all that wait for a child of this life.
//
//go:noinline
func (l *life) wakeAll() {
	l.fates.wakeAll()
	l.awaits.wakeAll()
}

func (w fateWatch) remove(name string, wake chan<- struct{}) {
	if delete(w[name], wake); len(w[name]) == 0 {
		delete(w, name)
	}
}

// wake wakes the channels of one child. It is not inlined, to keep perform's frame
// small: see Ready.
//
//go:noinline
func (w fateWatch) wake(name string) {
	for wake := range w[name] {
		select {
		case wake <- struct{}{}:
		default: // it has been woken already
		}
	}
	delete(w, name)
}

func (w fateWatch) wakeAll() {
	for name := range w {
		w.wake(name)
	}
}

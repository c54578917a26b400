package browsertest

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestALostConnectionIsShownAndComesBack(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: db.Run, Backoff: child.Constant(time.Hour)}}})
	s := serve(t, root, observer.Spec{})
	p := open(t, s.address+"#/tree", look{quiet: true})
	p.waitRow("/shop/db", "at work")
	s.lose()
	p.waitFor("#bars", "Connection lost")
	p.waitFor("#connection", "not live")
	before := p.text(".tree")
	p.waitFor("#retry", "Next try in")
	db.fail <- errRefused
	if got := p.text(".tree"); got != before {
		t.Errorf("ages do not stand still: %s became %s", before, got)
	}
	s.find()
	p.button("Try now")
	p.waitRow("/shop/db", "refused")
	p.wait(`!document.querySelector('.stale') && textOf(document.querySelector('#connection')).startsWith('live')`)
	p.key("3")
	p.waitFor("main", "You missed")
	p.wait(`document.querySelector('.ev.missed')`)
	p.button("I have seen them")
	p.wait(`!document.querySelector('.ev.missed')`)

	if err := root.RestartChild(t.Context(), "db"); err != nil { // the stream is there again
		t.Fatal(err)
	}
	p.waitFor("main", "restart-child")
}

func TestAHiddenTabAsksForNothing(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: db.Run, Backoff: child.Constant(time.Hour)}}})
	s := serve(t, root, observer.Spec{})
	p := open(t, s.address+"#/tree", look{})
	p.waitRow("/shop/db", "at work")
	hide := func(hidden string) {
		p.eval(`Object.defineProperty(document, 'hidden', { configurable: true, value: ` + hidden + ` }); document.dispatchEvent(new Event('visibilitychange'))`)
	}
	hide("true")
	before := len(s.requests())
	db.fail <- errRefused
	p.eval(`new Promise(after => { let n = 0; const i = setInterval(() => ++n == 3 && after(clearInterval(i)), 1000) })`) // three of the page's own ticks
	if now := s.requests(); len(now) != before {
		t.Errorf("it asked for %v", now[before:])
	}
	hide("false")
	p.waitRow("/shop/db", "refused")
	p.key("3")
	p.waitFor("main", "You missed")
	p.waitFor("main", "was hidden")
}

// However much happens, the page asks at most twice a second.
func TestAtMostTwoQuestionsASecond(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "busy", Backoff: child.Constant(time.Millisecond), Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		return errRefused
	}}}})
	s := serve(t, root, observer.Spec{})
	p := open(t, s.address, look{})
	p.wait(`performance.getEntriesByType('resource').filter(e => e.name.includes('causes.json')).length > 5`)
	if n := p.eval(`(list => list.map((t, i) => t - list[i - 1]).filter(d => d < 500).length)(
		performance.getEntriesByType('resource').filter(e => e.name.includes('.json')).map(e => e.startTime))`); n != float64(0) {
		t.Errorf("%v questions came within half a second of the one before", n)
	}
}

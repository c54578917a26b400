package browsertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestTheSliderShowsThePast(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "db", Run: db.Run, Backoff: child.Constant(time.Hour)},
		{Name: "api", Run: idle},
	}})
	p := open(t, serve(t, root, observer.Spec{Act: anything}).address+"#/tree", look{})
	p.waitRow("/shop/db", "at work")
	db.fail <- errRefused
	p.waitRow("/shop/db", "refused")
	if err := root.RestartChild(context.Background(), "db"); err != nil {
		t.Fatal(err)
	}
	p.waitRow("/shop/db", "at work")

	p.key("3")
	p.waitFor("main", "restart-child")
	// From now, step back until the child waits.
	for range 20 {
		before := p.eval(`location.hash`)
		p.button("Event before")
		p.wait(fmt.Sprintf(`location.hash != %q`, before))
		p.waitFor("#bars", "You are looking at the past")
		p.wait(`document.querySelector('#at').getAttribute('value') == Date.parse(new URLSearchParams(location.hash.split('?')[1]).get('at'))`) // drawn
		if p.eval(`Boolean(rowOf('/shop/db') && textOf(rowOf('/shop/db')).includes('refused'))`) == true {
			break
		}
	}
	p.waitRow("/shop/db", "refused")
	p.waitFor("#connection", "past")
	p.key("2") // the other views show the same moment
	p.waitRow("/shop/db", "refused")
	p.click(`[data-k="/shop/db"]`)
	p.waitFor(".det", "refused")
	if got := p.eval(`document.querySelectorAll('[data-do=ask]').length`); got != float64(0) {
		t.Errorf("%v buttons act on the past", got)
	}
	p.button("Back to now")
	p.waitRow("/shop/db", "at work")
	p.wait(`document.querySelectorAll('[data-do=ask]').length > 0`)

	p.key("3")
	p.wait(`document.querySelector('#at')`)
	p.eval(`(e => { e.value = e.min; e.dispatchEvent(new Event('input', { bubbles: true })) })(document.querySelector('#at'))`)
	p.waitFor("main", "") // an hour ago there was nothing, and the page says so
	p.wait(`location.hash.includes('at=')`)
	p.button("Back to now")
	p.wait(`!location.hash.includes('at=')`)
}

func TestWhyIsALinkToTheEventThatLedToIt(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: db.Run, Backoff: child.Constant(time.Hour)}}})
	p := open(t, serve(t, root, observer.Spec{}).address+"#/time", look{})
	p.waitFor("main", "No such events are remembered")
	db.fail <- errRefused
	p.waitFor("main", "restarting")
	p.button("because of #")
	p.wait(`textOf(document.activeElement).includes('failed') && document.activeElement.matches('.ev')`)
	p.button("Failed")
	p.wait(`document.querySelectorAll('.ev').length == 1`)
}

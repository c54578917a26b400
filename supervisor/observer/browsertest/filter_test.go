package browsertest

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestSearchAndFilters(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "db", Run: db.Run, Backoff: child.Constant(time.Hour)},
		{Name: "mail", Run: nested(child.Spec{Name: "relay", Run: idle}, child.Spec{Name: "queue", Run: newVictim().Run})},
		{Name: "api", Run: idle},
	}})
	p := open(t, serve(t, root, observer.Spec{}).address+"#/tree", look{})
	p.waitRow("/shop/db", "at work")
	db.fail <- errRefused
	p.waitRow("/shop/db", "refused")

	expect := func(what string, rows string) {
		t.Helper()
		p.wait("[...document.querySelectorAll('.tr')].map(r => textOf(r.querySelector('.nm b'))).join(' ') == '" + rows + "'")
		if t.Failed() {
			t.Fatal(what)
		}
	}
	search := func(text string) {
		p.click("#filter")
		p.eval(`document.querySelector('#filter').select()`)
		p.key(text)
	}
	search("RELAY")
	expect("by path, in any case", "/shop/mail/relay")
	search("at work")
	expect("by status text", "/shop/mail/queue")
	search("refused")
	expect("by error", "/shop/db")
	search("no such thing")
	p.waitFor(".empty", "Nothing matches")
	p.button("Show the whole tree")
	expect("all again", "shop db mail api")
	if got := p.eval(`document.querySelector('#filter').value`); got != "" {
		t.Errorf("the field still has %q", got)
	}

	p.button("Trouble only")
	expect("trouble only", "shop db")
	if got := p.eval(`location.hash`); got != "#/tree?trouble=1" {
		t.Errorf("the address is %v", got)
	}
	p.button("Trouble only")
	expect("all again", "shop db mail api")
	p.eval(`(e => { e.value = 'waiting'; e.dispatchEvent(new Event('input', { bubbles: true })) })(document.querySelector('#state'))`)
	expect("by state", "/shop/db")
	p.eval(`history.back()`)
	expect("back", "shop db mail api")
	if got := p.eval(`document.querySelector('#state').value`); got != "" {
		t.Errorf("the state is still %q", got)
	}
}

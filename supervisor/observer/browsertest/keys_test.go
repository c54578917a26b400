package browsertest

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestEverythingCanBeDoneByKeyboard(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "config", Run: idle},
		{Name: "db", Run: nested(child.Spec{Name: "orders", Run: idle})},
		{Name: "mail", Run: db.Run, Backoff: child.Constant(time.Hour)},
	}})
	p := open(t, serve(t, root, observer.Spec{Act: anything}).address, look{})
	p.waitFor(".verdict", "Well")
	db.fail <- errRefused
	p.waitFor(".verdict", "Degraded")
	focused := func(path string) { t.Helper(); p.wait(`document.activeElement.dataset.k == '` + path + `'`) }

	p.key("2")
	p.waitRow("/shop/mail", "refused")
	p.key("n") // the next in trouble: the root has trouble below it
	focused("/shop")
	p.key("n")
	focused("/shop/mail")
	p.key("p")
	focused("/shop")
	p.key(kb.ArrowDown)
	focused("/shop/config")
	p.key(kb.ArrowDown)
	focused("/shop/db")
	p.key(kb.ArrowRight) // opens
	p.wait(`rowOf('/shop/db').getAttribute('aria-expanded') == 'true' && rowOf('/shop/db/orders')`)
	focused("/shop/db") // although the tree was drawn again
	p.key(kb.ArrowRight)
	focused("/shop/db/orders")
	p.key(kb.ArrowLeft) // to its supervisor
	focused("/shop/db")
	p.key(kb.ArrowLeft) // closes
	p.wait(`rowOf('/shop/db').getAttribute('aria-expanded') == 'false' && !rowOf('/shop/db/orders')`)
	p.key(kb.End)
	focused("/shop/mail")
	p.key(kb.Home)
	focused("/shop")
	if got := p.eval(`document.querySelectorAll('.tr[tabindex="0"]').length`); got != float64(1) {
		t.Errorf("%v rows can be reached by Tab", got)
	}
	p.key(kb.End)
	p.key(kb.Enter)
	p.waitFor(".det", "What comes next")
	p.key(kb.Escape)
	p.wait(`!document.querySelector('.det')`)
	focused("/shop/mail")

	p.key("t")
	p.wait(`!rowOf('/shop/config')`)
	p.key("t")
	p.wait(`rowOf('/shop/config')`)
	p.key("/")
	p.wait(`document.activeElement.id == 'filter'`)
	p.key("3") // goes into the field
	p.wait(`document.querySelector('#filter').value == '3'`)
	p.wait(`location.hash == '#/tree?filter=3'`)
	p.key(kb.Escape)
	p.wait(`document.activeElement == document.body`)
	p.key("3")
	p.wait(`document.querySelector('#at')`)
	p.key("1")
	p.waitFor(".verdict", "Degraded")
	p.key("?")
	p.waitFor("#ask", "Keys")
	p.key("2") // goes to the dialog
	p.key(kb.Escape)
	p.wait(`!document.querySelector('#ask').open`)
	p.wait(`location.hash.startsWith('#/overview')`)

	p.button("Turn single keys off")
	p.waitFor("footer", "Turn single keys on")
	p.eval(`document.activeElement.blur()`)
	p.key("2")
	p.button("Turn single keys on")
	p.wait(`location.hash.startsWith('#/overview')`)
}

// The first thing that Tab reaches leads past the head.
func TestSkipLink(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop"})
	p := open(t, serve(t, root, observer.Spec{}).address, look{})
	p.waitFor(".verdict", "")
	p.key(kb.Tab)
	p.wait(`textOf(document.activeElement).startsWith('Skip')`)
	p.key(kb.Enter)
	p.wait(`document.activeElement.id == 'main'`)
}

package browsertest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

const markup = `<img src=x onerror="window.pwned=1"><script>window.pwned=2</script><b id=fat>&lt;</b>`

// Texts of a program may come from those that send it requests. In the page they are texts.
func TestTextsOfAProgramAreOnlyTexts(t *testing.T) {
	name := strings.ReplaceAll(markup, "/", "")
	bad := newVictim()
	huge := newVictim()
	root := start(t, supervisor.Spec{Name: name, Children: []child.Spec{
		{Name: name, Backoff: child.Constant(time.Hour), Run: func(ctx child.Context) error {
			ctx.Status(markup + "\x1b[31m\u202egnidrawkcab")
			return bad.Run(ctx)
		}},
		{Name: "huge", Run: huge.Run, Backoff: child.Constant(time.Hour)},
		{Name: "unready", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			ctx.Unready(errors.New(markup + "\xff\x00\u2028\u2066"))
			<-ctx.Done()
			return nil
		}},
		{Name: strings.Repeat("long", 300), Run: idle},
	}})
	s := serve(t, root, observer.Spec{Act: anything})
	p := open(t, s.address, look{})
	p.waitFor(".verdict", "")
	bad.fail <- errors.New(markup + "\x1b]0;title\x07\nsecond line")
	huge.fail <- errors.New(strings.Repeat(markup, 1<<20/len(markup)))

	inert := func(where string) {
		t.Helper()
		if got := p.eval(`window.pwned`); got != nil {
			t.Errorf("%s: a script ran: %v", where, got)
		}
		if got := p.eval(`document.querySelectorAll('img, b#fat, body script, iframe').length`); got != float64(0) {
			t.Errorf("%s: %v elements were made of texts", where, got)
		}
		if got := p.eval(`/[\x00-\x08\x0b-\x1f\x7f\u2028\u202e\u2066]/.exec(document.body.textContent)`); got != nil {
			t.Errorf("%s: a control character is shown: %v", where, got)
		}
		if got := p.eval(`document.documentElement.scrollWidth - innerWidth`); got.(float64) > 0 {
			t.Errorf("%s: the page is %v pixels too wide", where, got)
		}
		if got := p.eval(`document.body.textContent.length`); got.(float64) > 100_000 {
			t.Errorf("%s: the page has %v characters", where, got)
		}
	}
	p.waitFor(".two", `<img src=x onerror="window.pwned=1">`)
	p.eval(`document.querySelectorAll('details').forEach(d => (d.open = true))`)
	inert("overview")
	for _, view := range []string{"#/tree", "#/tree?path=/" + name + "/" + name, "#/tree?path=/" + name + "/huge", "#/time", "#/tree?filter=pwned"} {
		p.goTo(s.address + strings.ReplaceAll(strings.ReplaceAll(view, "&", "%26"), " ", "%20"))
		p.waitFor("main", "pwned=1")
		inert(view)
	}
	p.goTo(s.address + "#/tree?path=/" + strings.ReplaceAll(strings.ReplaceAll(name+"/"+name, "&", "%26"), " ", "%20"))
	p.waitFor(".det .hd", "pwned=1") // until then the child before is shown
	p.button("Stop…")
	p.waitFor("#ask", "pwned=1")
	inert("dialog")
}

// The policy would stop a script even if the page had a fault.
func TestThePolicyForbidsInlineScripts(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop"})
	p := open(t, serve(t, root, observer.Spec{}).address, look{quiet: true})
	p.waitFor(".verdict", "")
	p.eval(`document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.pwned = 1' }))`)
	p.wait(`violations.length == 1`)
	if got := p.eval(`[window.pwned, violations.splice(0)]`); got.([]any)[0] != nil {
		t.Errorf("an inline script ran: %v", got)
	}
}

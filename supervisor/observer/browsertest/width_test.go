package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/coppice-go/coppice/supervisor/observer"
	"github.com/coppice-go/coppice/supervisor/observer/browsertest/shop"
)

// shopInTrouble starts the shop of the pictures.
func shopInTrouble(t *testing.T, sessions int) *site {
	t.Helper()
	s := shop.New()
	ctx := context.Background()
	t.Cleanup(func() {
		s.Free()
		_ = s.Root.Stop(ctx) // it reports the runs that did not stop
	})
	site := serve(t, s.Root, observer.Spec{Act: anything, Who: func(*http.Request) string { return "carol" }}) // sees the start too
	if err := s.Root.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Trouble(ctx, sessions); err != nil {
		t.Log(err) // of the run that does not stop
	}
	return site
}

// views are the addresses of all views, and of children with much to say.
var views = []string{"overview", "tree", "tree?trouble=1", "tree?state=waiting", "time",
	"tree?path=/shop/exporter", "tree?path=/shop/search/index", "tree?path=/shop/search/suggest", "tree?path=/shop/mail", "tree?path=/shop/gone"}

// settled is true once the trouble of the shop is complete.
const settled = `document.querySelector('.cause, .tr, .lane, .det')`

func TestNothingScrollsSidewaysOnAPhone(t *testing.T) {
	s := shopInTrouble(t, 500)
	for _, width := range []int{320, 390, 768, 1180, 1181} {
		p := newTab(t, look{width: width, height: 700})
		for _, view := range views {
			p.goTo(s.address + "#/" + view)
			p.wait(settled)
			p.eval(`document.querySelectorAll('details').forEach(d => (d.open = true))`)
			if got := p.eval(`[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.vh, .skip, .scr') &&
				e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 200)).slice(0, 3).join('\n')`); got != "" {
				t.Errorf("%d pixels, %s: too wide:\n%s", width, view, got)
			}
			if got := p.eval(`document.documentElement.scrollWidth`); got.(float64) > float64(width) {
				t.Errorf("%d pixels, %s: %v pixels wide", width, view, got)
			}
		}
		p.close()
	}
}

// What can be pressed is large enough for a thumb. Links in a sentence may be as high as the sentence.
func TestTargetsOnAPhone(t *testing.T) {
	s := shopInTrouble(t, 100)
	p := newTab(t, look{width: 390, height: 844})
	for _, view := range views {
		p.goTo(s.address + "#/" + view)
		p.wait(settled)
		if got := p.eval(`[...document.querySelectorAll('button:not(.lk), .btn, input, select, summary, nav a, .tr, .leg a')].filter(e => e.checkVisibility() && !e.matches('.skip') &&
			e.getBoundingClientRect().height < 44).map(e => e.outerHTML.slice(0, 200)).slice(0, 3).join('\n')`); got != "" {
			t.Errorf("%s: lower than 44 pixels:\n%s", view, got)
		}
	}
}

// Every text has a contrast of at least 4.5 on what it may stand on, in the light and in the dark.
func TestContrast(t *testing.T) {
	s := shopInTrouble(t, 25)
	grounds := map[bool]any{}
	for _, dark := range []bool{false, true} {
		p := open(t, s.address, look{dark: dark})
		p.wait(settled)
		grounds[dark] = p.eval(`getComputedStyle(document.body).backgroundColor`)
		for _, on := range []string{"bg", "sf", "okbg", "warnbg", "badbg", "infobg"} {
			for _, text := range []string{"ink", "mut", "ok", "warn", "bad", "info"} {
				got := p.eval(fmt.Sprintf(`(() => {
					const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
					const light = name => {
						document.body.style.color = getComputedStyle(document.documentElement).getPropertyValue('--' + name)
						const [r, g, b] = getComputedStyle(document.body).color.match(/\d+/g).map(Number)
						return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
					}
					const [low, high] = [light(%q), light(%q)].sort((a, b) => a - b)
					document.body.style.color = ''
					return (high + 0.05) / (low + 0.05)
				})()`, on, text)).(float64)
				if got < 4.5 {
					t.Errorf("dark %v: %s on %s has a contrast of %.2f", dark, text, on, got)
				}
			}
		}
	}
	if grounds[false] == grounds[true] {
		t.Errorf("light and dark have the same ground: %v", grounds[true])
	}
}

package browsertest

import (
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// heap returns how many megabytes a tab uses: JavaScript, the document, and its strings.
func (p *tab) heap() float64 {
	p.t.Helper()
	used, err := chromedp.Call(p.ctx, runtime.GetHeapUsage, cdp.Empty{})
	p.must(err)
	return (used.TotalSize + used.EmbedderHeapUsedSize + used.BackingStorageSize) / 1e6
}

// With 100,000 children, of which 4,000 fail alike: under a second from the address to what is wrong, under 60 MB in the
// tab, and under 50 KB for the page itself.
func TestAHundredThousandChildren(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 children")
	}
	s := shopInTrouble(t, 100_000)
	best := map[string]float64{}
	for range 5 { // the machine may be busy
		for _, view := range []string{"overview", "tree"} {
			p := newTab(t, look{})
			p.goTo("about:blank")
			p.goTo(s.address + "#/" + view)
			at := p.wait(`window.shownAt`).(float64)
			if best[view] == 0 || at < best[view] {
				best[view] = at
			}
			p.close()
		}
	}
	t.Logf("shown after %.0f ms (overview) and %.0f ms (tree)", best["overview"], best["tree"])
	for view, ms := range best {
		if ms > 1000 {
			t.Errorf("%s: shown after %.0f ms", view, ms)
		}
	}

	p := open(t, s.address, look{})
	p.wait(`[...document.querySelectorAll('.cause')].some(c => textOf(c).includes('dial tcp 10.0.4.17:5432: connect: connection refused') && textOf(c).includes('/shop/db') &&
		parseInt(textOf(c.querySelector('.n')).replace(',', '')) > 3900)`) // of 4,001: some run for a moment before they fail again
	files := p.eval(`[performance.getEntriesByType('navigation')[0], ...performance.getEntriesByType('resource').filter(e => /\.(js|css)$/.test(e.name))]
		.reduce((sum, e) => sum + e.transferSize, 0)`).(float64)
	t.Logf("%.1f KB loaded", files/1e3)
	if files < 10_000 || files > 50_000 {
		t.Errorf("the page loads %v bytes", files)
	}

	p.key("2")
	p.wait(`textOf(document.querySelector('.fold')).includes('connection refused')`)
	p.click(".fold")
	p.wait(`document.querySelectorAll('.tr').length > 100`)
	p.button("Next")
	p.waitFor(".pager", "101 to 200 of")
	p.button("Back")
	p.waitFor(".pager", "1 to 100 of")
	p.click("#filter")
	p.key("s-199999")
	p.waitFor("[role=status]", "1 found")
	p.key("\b\b\b\b\b\b\b\b")
	p.wait(`document.querySelector('.fold')`)

	most := p.heap()
	t.Logf("%.1f MB in the tab", most)
	if _, err := chromedp.Call(p.ctx, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB after a collection", p.heap())
	if most > 60 {
		t.Errorf("%.1f MB in the tab", most)
	}
}

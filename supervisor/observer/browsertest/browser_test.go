package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what the page must show.
const patience = 30 * time.Second

// browser is the one browser that all tests share. Each test has tabs of its own.
var browser = sync.OnceValues(func() (context.Context, error) {
	path := os.Getenv("CHROME")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path == "" {
			path, _ = exec.LookPath(name)
		}
	}
	if path == "" {
		return nil, nil
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	stopBrowser = func() {
		_ = chromedp.Cancel(ctx) // it is killed by cancel if it does not close
		cancel()
	}
	return ctx, nil
})

var stopBrowser = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopBrowser()
	os.Exit(code)
}

// A tab shows one page.
type tab struct {
	t     *testing.T
	ctx   context.Context
	close func() // checks that nothing went wrong, and closes the tab; at the end of the test at the latest
}

// A look is how a tab shows the page.
type look struct {
	width, height int // zero: a desktop
	dark          bool
	quiet         bool // the console may have messages: the test breaks a connection
}

// newTab opens a tab. The test fails if a script fails or the content security policy is violated in it.
func newTab(t *testing.T, l look) *tab {
	t.Helper()
	parent, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		t.Skip("no browser: apt-get install -y chromium, or set CHROME to its path")
	}
	ctx, cancel := chromedp.NewContext(parent)
	p := &tab{t: t, ctx: ctx}
	listening, stopListening := context.WithCancel(ctx)
	messages := chromedp.Console(listening)
	p.close = sync.OnceFunc(func() {
		p.eval(`console.debug("the end of the test")`)
		for m, err := range messages {
			if err != nil || m.Text == "the end of the test" {
				break
			}
			refused := m.Source == "network" // an answer that is no 200: what the test expects of it, it checks
			if !l.quiet && !refused && (m.IsException() || m.Type == "error" || m.Type == "warning" || m.Source == "security") {
				t.Errorf("console: %s %s", m.Type, m)
			}
		}
		if got := p.eval(`violations.join("; ")`); got != "" {
			t.Errorf("the content security policy was violated: %v", got)
		}
		stopListening()
		cancel()
	})
	t.Cleanup(p.close)
	scheme, width, height := "light", l.width, l.height
	if l.dark {
		scheme = "dark"
	}
	if width == 0 {
		width, height = 1440, 900
	}
	var phone []chromedp.EmulateViewportOption
	if width < 700 {
		phone = append(phone, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	p.must(chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), int64(height), phone...)))
	_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	p.must(err)
	_, err = chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
	p.must(err)
	return p
}

// watch runs before the scripts of each page: it notes violations of the policy, and when the tree was first shown.
const watch = `
	window.violations = []
	addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI))
	new MutationObserver((_, observer) => {
		if (!document.querySelector('.verdict, .tr')) return
		observer.disconnect()
		requestAnimationFrame(() => setTimeout(() => (window.shownAt = performance.now())))
	}).observe(document, { childList: true, subtree: true })
	window.texts = selector => [...document.querySelectorAll(selector)].map(e => e.textContent)
	window.rowOf = path => [...document.querySelectorAll('.tr')].find(e => e.dataset.k == path)
	window.textOf = element => element.innerText.replace(/\s+/g, ' ')`

// open opens a tab and shows an address in it, and waits until the page has answered.
func open(t *testing.T, address string, l look) *tab {
	t.Helper()
	p := newTab(t, l)
	p.goTo(address)
	return p
}

func (p *tab) goTo(address string) {
	p.t.Helper()
	p.must(chromedp.Do(p.ctx, chromedp.Navigate(address)))
}

func (p *tab) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// eval returns the value of an expression. A promise is awaited.
func (p *tab) eval(expression string) any {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Errorf("%s: %v", expression, err)
	}
	return value
}

// text returns what a person reads in the page, or in the first element that the selector finds.
func (p *tab) text(selector string) string {
	p.t.Helper()
	s, _ := p.eval(`(e => e ? textOf(e) : '')(document.querySelector(` + strconv.Quote(selector) + `))`).(string)
	return s
}

// wait waits until an expression is true, and returns its value.
func (p *tab) wait(expression string) any {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](fmt.Sprintf(`new Promise((found, missed) => {
		const end = performance.now() + %d
		const look = () => {
			let value, problem = 'false'
			try { value = (%s) } catch (e) { problem = e }
			if (value) found(value)
			else if (performance.now() > end) missed(new Error('waited in vain: ' + problem))
			else setTimeout(look, 20)
		}
		look()
	})`, patience.Milliseconds(), expression), chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s\n%v\nat %v the page shows: %s", expression, err, p.eval(`location.hash`), p.text("body"))
	}
	return value
}

// waitFor waits until the first element that the selector finds contains a text.
func (p *tab) waitFor(selector, text string) {
	p.t.Helper()
	p.wait(`textOf(document.querySelector(` + strconv.Quote(selector) + `)).includes(` + strconv.Quote(text) + `)`)
}

// waitRow waits until the row of a child contains a text.
func (p *tab) waitRow(path, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf(`textOf(rowOf(%q)).includes(%q)`, path, text))
}

// click clicks as a mouse does, where the first visible element is that the selector finds. It goes by the place, as the
// page may replace an element at any time.
func (p *tab) click(selector string) {
	p.t.Helper()
	at := p.wait(`(e => {
		if (!e.checkVisibility()) return
		e.scrollIntoView({ block: 'center', behavior: 'instant' })
		const { x, y, width, height } = e.getBoundingClientRect()
		return [x + width / 2, y + height / 2]
	})(document.querySelector(` + strconv.Quote(selector) + `))`).([]any)
	p.must(chromedp.Do(p.ctx, chromedp.MouseClickXY(at[0].(float64), at[1].(float64))))
}

// button clicks the visible button or link that has the text.
func (p *tab) button(text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf(`[...document.querySelectorAll('button, a')].find(e => textOf(e).startsWith(%q) && e.checkVisibility() && !e.disabled
		&& (document.querySelectorAll('[data-test]').forEach(x => x.removeAttribute('data-test')), e.setAttribute('data-test', ''), true))`, text))
	p.click("[data-test]")
}

// key presses keys, one after another, as a keyboard does: if the page takes a key for itself, it types nothing.
func (p *tab) key(keys string) {
	p.t.Helper()
	for _, key := range keys {
		if key < ' ' || key > '~' { // named by package kb
			p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(string(key))))
			continue
		}
		for _, press := range []input.DispatchKeyEventParams{{Type: "keyDown", Text: string(key)}, {Type: "keyUp"}} {
			press.Key = string(key)
			_, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, press)
			p.must(err)
		}
	}
}

// rows returns the names in the tree, indented by their level.
func (p *tab) rows() string {
	p.t.Helper()
	s, _ := p.eval(`[...document.querySelectorAll('.tr')].map(r => ' '.repeat(r.getAttribute('aria-level') - 1) + textOf(r.querySelector('.nm b'))).join('\n')`).(string)
	return strings.TrimSpace(s)
}

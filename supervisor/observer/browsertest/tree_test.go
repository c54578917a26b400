package browsertest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

var quiet = slog.New(slog.DiscardHandler)

// start starts a tree that stops when the test ends.
func start(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	if spec.Logger == nil {
		spec.Logger = quiet
	}
	root := supervisor.New(spec)
	if err := root.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Stop(context.Background()); err != nil {
			t.Log(err) // of a child that the test lets hang or give up
		}
	})
	return root
}

// A site serves the page of a tree below a prefix, as a program does.
type site struct {
	*httptest.Server
	address string // of the page
	away    atomic.Bool

	mu    sync.Mutex
	asked []string    // paths of the requests
	at    []time.Time // when they came
}

func serve(t *testing.T, root *supervisor.Supervisor, spec observer.Spec) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	spec.Root = root
	mux := http.NewServeMux()
	mux.Handle("/debug/coppice/", http.StripPrefix("/debug/coppice", observer.New(ctx, spec)))
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.away.Load() {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.Close()
			}
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		s.at = append(s.at, time.Now())
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	s.address = s.URL + "/debug/coppice/"
	t.Cleanup(func() {
		cancel()
		s.CloseClientConnections() // of tabs that are still open
		s.Close()
	})
	return s
}

// requests returns the paths that were asked for so far.
func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// lose lets the site break all connections until it is found again.
func (s *site) lose() {
	s.away.Store(true)
	s.Config.SetKeepAlivesEnabled(false)
	s.CloseClientConnections()
}

func (s *site) find() {
	s.Config.SetKeepAlivesEnabled(true)
	s.away.Store(false)
}

// A victim is a child that fails when the test says so.
type victim struct{ fail chan error }

func newVictim() *victim { return &victim{fail: make(chan error)} }

func (v *victim) Run(ctx child.Context) error {
	ctx.Status("at work")
	if err := ctx.Ready(); err != nil {
		return err
	}
	select {
	case err := <-v.fail:
		return err
	case <-ctx.Done():
		return nil
	}
}

var idle = testkit.Idle

func nested(children ...child.Spec) func(child.Context) error {
	return supervisor.New(supervisor.Spec{Children: children}).Run
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 4, 17), Port: 5432}, Err: errors.New("connect: connection refused")}

func TestTheTreeIsShown(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "config", Run: idle},
		{Name: "db", Run: nested(child.Spec{Name: "orders", Run: idle}, child.Spec{Name: "users", Run: idle})},
		{Name: "api", Run: newVictim().Run},
	}})
	p := open(t, serve(t, root, observer.Spec{}).address+"#/tree", look{})
	p.waitRow("/shop/api", "at work")
	if got, want := p.rows(), "shop\n config\n db\n api"; got != want {
		t.Errorf("rows:\n%s\nwant:\n%s", got, want)
	}
	p.click(`[data-k="/shop/db"] .tw`)
	p.waitRow("/shop/db/users", "users")
	if got, want := p.rows(), "shop\n config\n db\n  orders\n  users\n api"; got != want {
		t.Errorf("rows:\n%s\nwant:\n%s", got, want)
	}
	if got := p.eval(`document.title`); got != "shop well" {
		t.Errorf("title %q", got)
	}
	p.click(`nav a`)
	p.waitFor(".verdict", "Well")
}

func TestACrashIsShownAsItHappens(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "db", Run: db.Run, Backoff: child.Constant(time.Hour)},
		{Name: "api", Run: idle},
	}})
	s := serve(t, root, observer.Spec{})
	rows := open(t, s.address+"#/tree", look{})
	overview := open(t, s.address, look{})
	rows.waitRow("/shop/db", "at work")
	overview.waitFor(".verdict", "Well")

	db.fail <- errRefused
	rows.waitRow("/shop/db", "connection refused")
	overview.waitFor(".verdict", "Degraded")
	overview.waitFor(".verdict", "connect: connection refused")
	overview.waitFor(".cause", "/shop/db")
	overview.wait(`document.title.includes('shop degraded')`)
	if got := rows.eval(`performance.getEntriesByType('navigation').length`); got != float64(1) {
		t.Errorf("the page was loaded %v times", got)
	}
}

func TestTheCountdownRuns(t *testing.T) {
	db := newVictim()
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: db.Run, Backoff: child.Constant(10 * time.Minute)}}})
	s := serve(t, root, observer.Spec{})
	p := open(t, s.address+"#/tree", look{})
	p.waitRow("/shop/db", "at work")
	db.fail <- errRefused
	p.waitRow("/shop/db", "in 9 min")
	before := p.eval(`textOf(rowOf('/shop/db').querySelector('.left'))`).(string)
	loads := len(s.requests())
	p.wait(`textOf(rowOf('/shop/db').querySelector('.left')) != ` + "`" + before + "`")
	if now := len(s.requests()); now > loads+2 {
		t.Errorf("it asked the server %d times although nothing happened", now-loads)
	}
}

// A row that leaves does not move the others in the document: the browser would take the
// focus from them, and lose a click that is under way.
func TestARowThatLeavesMovesNoOther(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: idle}}})
	p := open(t, serve(t, root, observer.Spec{}).address, look{})
	moved := p.eval(`(async () => {
		const { h, show } = await import('./dom.js')
		const list = names => names.map(name => h('div', { 'data-k': name }, h('button', {}, name)))
		const e = document.body.appendChild(h('div', {}))
		show(e, ...list(['a', 'b', 'c', 'd']))
		e.lastChild.firstChild.focus()
		const moves = []
		const seen = new MutationObserver(records => records.forEach(r => moves.push(...[...r.addedNodes].map(n => '+' + n.textContent), ...[...r.removedNodes].map(n => '-' + n.textContent))))
		seen.observe(e, { childList: true })
		show(e, ...list(['b', 'd', 'e']))
		await 0
		const focus = document.activeElement.textContent
		e.remove()
		return moves.join(' ') + ' focus ' + focus
	})()`)
	if moved != "-a -c +e focus d" {
		t.Error(moved)
	}
}

package browsertest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func anything(*http.Request, observer.Action, string) bool { return true }

// run returns the number of the run of a child.
func run(t *testing.T, root *supervisor.Supervisor, path string) uint64 {
	t.Helper()
	status, found := root.Lookup(path)
	if !found {
		t.Fatalf("no child %s", path)
	}
	return status.Run
}

func TestRestartByButton(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "db", Run: idle}, {Name: "api", Run: nested(child.Spec{Name: "users", Run: idle})},
	}})
	by := make(chan string, 100)
	defer root.Subscribe(func(e supervisor.Event) {
		if e.Kind == supervisor.EventRequest {
			by <- e.By
		}
	})()
	p := open(t, serve(t, root, observer.Spec{Act: anything, Who: func(*http.Request) string { return "alice" }}).address+"#/tree?path=/shop/api", look{})
	before := run(t, root, "/shop/api")

	p.button("Restart…")
	p.waitFor("#ask", "Restart api?")
	p.wait(`textOf(document.activeElement) == 'Cancel'`)
	p.key("\r") // Cancel
	p.wait(`!document.querySelector('#ask').open`)
	if got := run(t, root, "/shop/api"); got != before {
		t.Fatalf("Cancel restarted it: run %d, now %d", before, got)
	}

	p.button("Restart…")
	p.waitFor("#ask", "/shop/api/users") // it goes along
	p.waitFor("#ask", fmt.Sprintf("run %d, as seen at", before))
	p.click(`#ask button[value="yes"]`)
	p.wait(`!document.querySelector('#ask').open`)
	p.waitFor("#live", "Restart of /shop/api: done")
	if got := run(t, root, "/shop/api"); got == before {
		t.Errorf("it still has run %d", before)
	}
	if got := <-by; got != "alice" {
		t.Errorf("the request is by %q", got)
	}
}

func TestWithoutActThereIsNoButton(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "api", Run: idle}}})
	p := open(t, serve(t, root, observer.Spec{}).address+"#/tree?path=/shop/api", look{})
	p.waitFor(".det", "What comes next")
	if got := p.eval(`document.querySelectorAll('.acts, [data-do=ask]').length`); got != float64(0) {
		t.Errorf("%v buttons", got)
	}
	p.waitFor("footer", "read-only")
	before := run(t, root, "/shop/api")
	status := p.eval(`fetch('act', { method: 'POST', headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ path: '/shop/api', action: 'restart', run: ` + "1" + ` }) }).then(r => r.status)`)
	if status != float64(403) {
		t.Errorf("the server answered %v", status)
	}
	if got := run(t, root, "/shop/api"); got != before {
		t.Errorf("run %d became %d", before, got)
	}
}

func TestARunThatWasNotSeenIsNotTouched(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "api", Run: idle}}})
	p := open(t, serve(t, root, observer.Spec{Act: anything}).address+"#/tree?path=/shop/api", look{})
	p.button("Restart…")
	p.waitFor("#ask", "Restart api?")
	if err := root.RestartChild(context.Background(), "api"); err != nil {
		t.Fatal(err)
	}
	now := run(t, root, "/shop/api")
	p.click(`#ask button[value="yes"]`)
	p.waitFor("#ask [role=alert]", "Not done. You saw run")
	if got := run(t, root, "/shop/api"); got != now {
		t.Errorf("run %d became %d", now, got)
	}
	p.click(`#ask button[value="yes"]`) // the new run, which is seen now
	p.wait(`!document.querySelector('#ask').open`)
	if got := run(t, root, "/shop/api"); got == now {
		t.Errorf("it still has run %d", now)
	}
}

func TestStopAndStart(t *testing.T) {
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "api", Run: idle}}})
	p := open(t, serve(t, root, observer.Spec{Act: anything}).address+"#/tree?path=/shop/api", look{})
	p.button("Stop…")
	p.click(`#ask button[value="yes"]`)
	p.wait(`!document.querySelector('#ask').open`)
	p.button("Start…") // now it is offered
	p.click(`#ask button[value="yes"]`)
	p.wait(`!document.querySelector('#ask').open`)
	p.button("Stop…")
	p.waitFor("#ask", "Stop api?")
	if got, _ := root.Lookup("api"); got.State != child.Running {
		t.Errorf("it is %v", got.State)
	}
}

// Before more than 99 children are stopped, their number must be typed.
func TestManyMustBeTyped(t *testing.T) {
	pool := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
	for range 120 {
		if err := pool.StartChild(context.Background(), child.Spec{Name: child.UniqueName("job"), Run: idle}); err != nil {
			t.Fatal(err)
		}
	}
	p := open(t, serve(t, root, observer.Spec{Act: anything}).address+"#/tree?path=/shop/pool", look{})
	p.button("Stop…")
	p.waitFor("#ask", "120 other children go along")
	p.click(`#ask button[value="yes"]`)
	p.wait(`document.querySelector('#ask :invalid')`)
	p.click(`#ask input[name=typed]`)
	p.key("12")
	p.click(`#ask button[value="yes"]`)
	p.wait(`document.querySelector('#ask :invalid')`)
	if got, _ := root.Lookup("pool"); got.State != child.Running {
		t.Fatalf("it is %v", got.State)
	}
	p.click(`#ask input[name=typed]`)
	p.key("0")
	p.click(`#ask button[value="yes"]`)
	p.wait(`!document.querySelector('#ask').open`)
	if got, _ := root.Lookup("pool"); got.State != child.Stopped {
		t.Errorf("it is %v", got.State)
	}
}

func TestStoppingWhatServesThePageNeedsATick(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	web := httpserver.New(httpserver.Spec{Listener: listener, Server: func(ctx child.Context) (*http.Server, error) {
		return &http.Server{Handler: observer.New(ctx, observer.Spec{Act: anything})}, nil
	}})
	root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "web", Run: web.Run, StopTimeout: time.Minute}}})
	p := open(t, "http://"+listener.Addr().String()+"/#/tree?path=/shop/web", look{quiet: true})
	p.button("Stop…")
	p.waitFor("#ask", "It serves this page")
	p.click(`#ask button[value="yes"]`)
	p.wait(`document.querySelector('#ask :invalid')`)
	p.click(`#ask input[name=force]`)
	stopped := make(chan struct{}, 100)
	defer root.Subscribe(func(e supervisor.Event) {
		if e.Kind == supervisor.EventStopped {
			stopped <- struct{}{}
		}
	})()
	p.click(`#ask button[value="yes"]`)
	p.waitFor("#live", "Stop of /shop/web: accepted") // the answer comes before the stop
	<-stopped
	_ = listener.Close() // else connections wait in its queue for the next run
	p.wait(`document.body.classList.contains('stale')`)
}

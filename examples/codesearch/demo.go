package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/blackbox"
)

// demo runs the whole service with crashes until the index is complete, and then checks it. It returns nil only if nothing
// was lost or recorded twice. With hold it then starts the service again and serves until ctx is done.
func demo(ctx context.Context, cfg config, seed uint64, crashes int, hold bool, out io.Writer) (err error) {
	if cfg.journal == "" {
		dir, err := os.MkdirTemp("", "codesearch")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		cfg.journal = filepath.Join(dir, "journal")
	}
	files, err := list(cfg.root, func(error) {})
	if err != nil {
		return err
	}
	st := newStory(out)
	st.tell("%d Go files below %s, seed %d, journal %s", len(files), cfg.root, seed, cfg.journal)

	svc := newService(cfg)
	defer blackbox.Watch(svc.root, blackbox.Spec{Dir: cfg.journal + ".blackbox"})()
	defer st.follow(svc.root)()
	if err := svc.root.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, svc.root.Stop(context.Background())) }() // a second Stop does nothing
	st.tell("to watch it: %s, or go run ./cmd/coppice watch %[1]s", pageURL(cfg.debug))
	st.show("the tree, just started", svc.root.Tree())

	// The crashes happen concurrently, until all files are indexed.
	cards := newDeck(seed, crashes)
	raining, rainEnds := context.WithCancel(ctx)
	rained := make(chan struct{})
	go func() {
		defer close(rained)
		cards.deal(raining, svc, cfg.chaos, len(files))
	}()
	defer func() {
		rainEnds()
		<-rained
	}()

	for quarter, name := range []string{"ReadAll", "Context", "Mutex", "Builder"} {
		due := len(files) * (quarter + 1) / 4
		if err := until(ctx, svc.root, func() bool { return svc.indexed() >= due }); err != nil {
			return err
		}
		if quarter == 1 {
			st.show("the tree, halfway", svc.root.Tree())
		}
		answer, err := svc.ask(ctx, name)
		if err != nil {
			return err
		}
		st.tell("%3d%% indexed; /search?q=%s: %s", 25*(quarter+1), name, plural(answer.Files, "file"))
	}
	rainEnds()
	<-rained
	if err := until(ctx, svc.root, func() bool {
		return svc.root.Health() == nil && svc.jobs.Count().Specs == 0 && svc.indexed() >= len(files)
	}); err != nil {
		return err
	}
	st.show("the tree, when all is indexed", svc.root.Tree())
	err = prove(ctx, cfg, svc, seed, st)

	ordered, byKind := cards.counts()
	st.tell("crashes  %d of %d ordered: %s", ordered, len(cards.cards), byKind)
	st.tell("tree     %s", st.counts())
	if err != nil || !hold {
		return err
	}
	st.tell("the service runs again, until Ctrl-C: %s", pageURL(cfg.debug))
	return svc.root.Serve(ctx)
}

// prove compares the answers of the service, its index in memory and, after the service has stopped, the journal file with
// a plain sequential pass.
func prove(ctx context.Context, cfg config, svc *service, seed uint64, st *story) error {
	began := time.Now()
	want, err := sequential(cfg.root)
	if err != nil {
		return err
	}
	st.tell("a sequential pass over the same files took %.1fs", time.Since(began).Seconds())

	faults := newFaults()
	rnd, names := rand.New(rand.NewPCG(seed, 1)), want.names()
	asked := min(20, len(names))
	for range asked {
		name := names[rnd.IntN(len(names))]
		answer, err := svc.ask(ctx, name)
		if err != nil {
			return err
		}
		if n := len(want.search(name)); answer.Files != n {
			faults.add(fmt.Sprintf("over HTTP: %s in %d files, want %d", name, answer.Files, n))
		}
	}
	live, err := svc.keeper.current.Get(ctx)
	if err != nil {
		return err
	}
	compare(want, live.index, faults.in("memory"))

	order, err := stopInOrder(ctx, svc.root, st)
	if err != nil {
		return err
	}
	st.tell("stopped in this order: %s", strings.Join(order, ", "))
	kept, err := reread(cfg.journal, cfg.root, faults.in("journal"))
	if err != nil {
		return err
	}
	compare(want, kept, faults.in("journal"))

	n := want.stats()
	st.tell("index    %s, of which %d do not parse; %s with %d postings", plural(n.Files, "file"), n.Broken,
		plural(n.Identifiers, "identifier"), n.Postings)
	if err := faults.err(); err != nil {
		return err
	}
	st.tell("check    memory, journal file and %d HTTP answers match the sequential pass", asked)
	return nil
}

// stopInOrder stops the tree and returns the names of the root's children in the order in which they ended.
func stopInOrder(ctx context.Context, root *supervisor.Supervisor, st *story) (order []string, err error) {
	running, ends := root.Children(child.Running), st.endsOf(root)
	if err := root.Stop(ctx); err != nil {
		return nil, err
	}
	for range running {
		select { // events arrive asynchronously
		case name := <-ends:
			order = append(order, name)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return order, nil
}

// ask sends a query to the current address of the HTTP server and retries while the server is down.
func (s *service) ask(ctx context.Context, name string) (found, error) {
	for {
		addr, err := s.server.bound.Get(ctx)
		if err != nil {
			return found{}, err
		}
		if answer, err := query(ctx, addr, name); err == nil {
			return answer, nil
		}
		if child.Sleep(ctx, 10*time.Millisecond) {
			return found{}, context.Cause(ctx)
		}
	}
}

func query(ctx context.Context, addr, name string) (answer found, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/search?q="+url.QueryEscape(name), nil)
	if err != nil {
		return answer, err
	}
	req.Close = true // the next request may go to a restarted server
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answer, errors.New(resp.Status)
	}
	return answer, json.NewDecoder(resp.Body).Decode(&answer)
}

package main

import (
	"fmt"
	"os"
	"strings"
)

// sequential indexes the tree in the simplest way: one goroutine, one file after another, no journal and no crashes. The
// check compares the service with its result.
func sequential(root string) (*index, error) {
	files, err := list(root, func(error) {})
	if err != nil {
		return nil, err
	}
	ix := newIndex()
	for _, f := range files {
		ix.add(read(root, f))
	}
	return ix, nil
}

// reread builds an index from the journal file alone, and passes each fault of the file to fault.
func reread(path, root string, fault func(string)) (*index, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	ix := newIndex()
	end, err := replay(f, info.Size(), root, func(s source) {
		if !ix.add(s) {
			fault("recorded twice: " + s.Path)
		}
	})
	if end < info.Size() {
		fault(fmt.Sprintf("%d bytes at the end are not a record", info.Size()-end))
	}
	return ix, err
}

// compare passes every difference between two indexes to differs, in both directions.
func compare(want, got *index, differs func(string)) {
	for _, f := range want.files {
		if !got.has(f.path) {
			differs("missing file: " + f.path)
		}
	}
	reasons := want.reasons()
	for _, f := range got.files {
		if reason, there := reasons[f.path]; !there {
			differs("unexpected file: " + f.path)
		} else if reason != f.broken {
			differs(fmt.Sprintf("%s: broken %q, want %q", f.path, f.broken, reason))
		}
	}
	for _, name := range want.names() {
		compareHits(name, want.search(name), got.search(name), differs)
	}
	for _, name := range got.names() {
		if len(want.search(name)) == 0 {
			differs("unexpected identifier: " + name)
		}
	}
	if w, g := want.stats(), got.stats(); w != g {
		differs(fmt.Sprintf("sizes: %+v, want %+v", g, w))
	}
}

// compareHits compares where one identifier occurs.
func compareHits(name string, want, got []hit, differs func(string)) {
	left := map[string]int{}
	for _, h := range want {
		left[h.Path] = h.Count
	}
	for _, h := range got {
		n, there := left[h.Path]
		switch {
		case !there:
			differs(fmt.Sprintf("%s: duplicate or unexpected file %s", name, h.Path))
		case n != h.Count:
			differs(fmt.Sprintf("%s: %d times in %s, want %d", name, h.Count, h.Path, n))
		}
		delete(left, h.Path)
	}
	for path := range left {
		differs(fmt.Sprintf("%s: missing in %s", name, path))
	}
}

func (ix *index) reasons() map[string]string {
	out := make(map[string]string, len(ix.files))
	for _, f := range ix.files {
		out[f.path] = f.broken
	}
	return out
}

// faults collects the faults that a check finds.
type faults struct{ all []string }

func newFaults() *faults { return &faults{} }

func (f *faults) add(fault string) { f.all = append(f.all, fault) }

// in returns a function that adds a fault with that place in front.
func (f *faults) in(place string) func(string) {
	return func(fault string) { f.add(place + ": " + fault) }
}

// err returns an error with the number of faults and the first of them, or nil if there are none.
func (f *faults) err() error {
	if len(f.all) == 0 {
		return nil
	}
	const most = 40
	return fmt.Errorf("the check found %d faults:\n  %s", len(f.all), strings.Join(f.all[:min(most, len(f.all))], "\n  "))
}

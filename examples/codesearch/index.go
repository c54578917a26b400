package main

import (
	"cmp"
	"slices"
	"sync"
)

// index maps identifiers to files. It is safe for any number of readers and one writer at the same time.
type index struct {
	mu       sync.RWMutex
	files    []fileInfo
	ids      map[string]int32     // index into files, by path
	postings map[string][]posting // by identifier, in the order in which files were added
	total    int                  // number of postings
	broken   int
}

type fileInfo struct{ path, broken string }

type posting struct{ file, count int32 }

// hit is a file in the answer to a query.
type hit struct {
	Path  string `json:"path"`
	Count int    `json:"count"`
}

// stats are the sizes of an index.
type stats struct {
	Files       int `json:"files"`
	Broken      int `json:"broken"`
	Identifiers int `json:"identifiers"`
	Postings    int `json:"postings"`
}

func newIndex() *index {
	return &index{ids: map[string]int32{}, postings: map[string][]posting{}}
}

// add adds a file and reports whether it was new. It ignores a path that the index already has: a job that crashed before
// it learned that its work was recorded may safely repeat it.
func (ix *index) add(s source) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if _, there := ix.ids[s.Path]; there {
		return false
	}
	id := int32(len(ix.files))
	ix.ids[s.Path] = id
	ix.files = append(ix.files, fileInfo{s.Path, s.Broken})
	for name, n := range s.Idents {
		ix.postings[name] = append(ix.postings[name], posting{id, int32(n)})
	}
	ix.total += len(s.Idents)
	if s.Broken != "" {
		ix.broken++
	}
	return true
}

func (ix *index) has(path string) bool {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	_, there := ix.ids[path]
	return there
}

// missing returns the paths that are not in the index yet.
func (ix *index) missing(paths []string) []string {
	var out []string
	for _, p := range paths {
		if !ix.has(p) {
			out = append(out, p)
		}
	}
	return out
}

// search returns the files that contain the identifier, those with most occurrences first.
func (ix *index) search(name string) []hit {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	hits := make([]hit, 0, len(ix.postings[name]))
	for _, p := range ix.postings[name] {
		hits = append(hits, hit{ix.files[p.file].path, int(p.count)})
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Path, b.Path))
	})
	return hits
}

func (ix *index) stats() stats {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return stats{Files: len(ix.files), Broken: ix.broken, Identifiers: len(ix.postings), Postings: ix.total}
}

// names returns all identifiers, sorted.
func (ix *index) names() []string {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	out := make([]string, 0, len(ix.postings))
	for name := range ix.postings {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

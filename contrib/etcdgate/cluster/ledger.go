//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ledgerFile is the name of the ledger. Each line has a number, a token and a member.
const ledgerFile = "ledger"

// An entry is a line of the ledger. Without a number it only raises the token.
type entry struct {
	Number int
	Token  int64
	Member string
	at     time.Time
}

// A ledger is a store that refuses stale tokens. It remembers the highest token, and compares
// and writes in one step. It does not look at the numbers: if two members led at the same
// time, and tokens did not help, numbers would be doubled.
type ledger struct {
	file   *os.File
	server *http.Server
	url    string

	mu      sync.Mutex
	highest int64
	last    entry
	first   map[int64]entry // of each token
	ends    map[int64]entry // the last one of each token
	refused int
	moved   chan struct{} // closed at the first entry of a token
}

func openLedger(dir string) (*ledger, error) {
	file, err := os.OpenFile(filepath.Join(dir, ledgerFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &ledger{
		file: file, url: "http://" + listener.Addr().String(),
		first: make(map[int64]entry), ends: make(map[int64]entry), moved: make(chan struct{}),
	}
	l.server = &http.Server{Handler: l}
	go func() { _ = l.server.Serve(listener) }() // ends with close
	return l, nil
}

func (l *ledger) close() {
	_ = l.server.Close()
	_ = l.file.Close()
}

// ServeHTTP answers with the last number, or with 409 to a token that is stale.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e entry
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	last, err := l.write(e)
	switch {
	case errors.Is(err, errStale):
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		fmt.Fprint(w, last)
	}
}

var errStale = errors.New("stale token")

func (l *ledger) write(e entry) (last int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Token < l.highest {
		l.refused++
		return 0, errStale
	}
	l.highest = e.Token
	if e.Number == 0 {
		return l.last.Number, nil
	}
	if _, err := fmt.Fprintln(l.file, e.Number, e.Token, e.Member); err != nil {
		return 0, err
	}
	e.at = time.Now()
	l.last, l.ends[e.Token] = e, e
	if _, known := l.first[e.Token]; !known {
		l.first[e.Token] = e
		close(l.moved)
		l.moved = make(chan struct{})
	}
	return e.Number, nil
}

// lead returns the last entry, and a channel that is closed when the next token has one.
func (l *ledger) lead() (last entry, moved <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, l.moved
}

// turn returns the first and the last entry of a token.
func (l *ledger) turn(token int64) (first, last entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first[token], l.ends[token]
}

// turns returns how many tokens have entries.
func (l *ledger) turns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.first)
}

func (l *ledger) refusals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// check reads the ledger and what the members took for confirmed, and returns what it found.
func check(dir string) (verdict string, err error) {
	var faults []error
	fault := func(format string, args ...any) {
		if len(faults) < 10 {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	entries, turns := 0, 0
	var last entry
	err = readLines(filepath.Join(dir, ledgerFile), func(text string) {
		var e entry
		if _, err := fmt.Sscan(text, &e.Number, &e.Token, &e.Member); err != nil {
			fault("ledger: line %q: %v", text, err)
			return
		}
		switch {
		case e.Number <= last.Number:
			fault("ledger: entry %d of token %d by %s is doubled, after %d of token %d by %s", e.Number, e.Token, e.Member, last.Number, last.Token, last.Member)
		case e.Number > last.Number+1:
			fault("ledger: entries %d to %d are lost", last.Number+1, e.Number-1)
		}
		if e.Token < last.Token {
			fault("ledger: entry %d has token %d, after token %d", e.Number, e.Token, last.Token)
		}
		if e.Token != last.Token {
			turns++
		}
		entries++
		last = e
	})
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.acked"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		if err := readLines(file, func(text string) {
			var number int
			if _, err := fmt.Sscan(text, &number); err == nil && number > entries { // a line may be cut off by a kill
				fault("entry %d was confirmed, and is lost", number)
			}
		}); err != nil {
			return "", err
		}
	}
	if entries == 0 {
		fault("ledger: no entries")
	}
	if len(faults) > 0 {
		return "", errors.Join(faults...)
	}
	return fmt.Sprintf("ledger: %d entries by %d leaders, each once, in the order of tokens\n", entries, turns), nil
}

func readLines(file string, each func(text string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		each(lines.Text())
	}
	return lines.Err()
}

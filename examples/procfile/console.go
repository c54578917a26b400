package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// A console writes the lines of all processes to one output, each with the name of its
// process, and in a terminal in its colour.
type console struct {
	mu      sync.Mutex
	out     io.Writer
	entries []entry
	width   int // of the longest name
	colours bool
}

func newConsole(out io.Writer, entries []entry) *console {
	c := &console{out: out, entries: entries, width: len(system)}
	for _, e := range entries {
		c.width = max(c.width, len(e.name))
	}
	if file, ok := out.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		info, err := file.Stat()
		c.colours = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return c
}

// system is the name of what the supervisor says.
const system = "procfile"

var colours = [...]int{36, 33, 32, 35, 34, 31} // cyan, yellow, green, magenta, blue, red

// of returns the log of entry i, or of the supervisor if i is negative.
func (c *console) of(i int) slog.Handler { return lines{console: c, entry: i} }

type lines struct {
	*console
	entry int
}

func (l lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l lines) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l lines) WithGroup(string) slog.Handler                    { return l }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	text, name := r.Message, system
	if l.entry >= 0 {
		name = l.entries[l.entry].name
	} else {
		r.Attrs(func(a slog.Attr) bool {
			text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
			return true
		})
	}
	name = fmt.Sprintf("%s %-*s |", r.Time.Format("15:04:05"), l.width, name)
	if l.colours && l.entry >= 0 {
		name = fmt.Sprintf("\x1b[%dm%s\x1b[0m", colours[l.entry%len(colours)], name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintln(l.out, name, text)
	return err
}

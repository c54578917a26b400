package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// hostile is text that tries to control a terminal, to look like something else, or to
// take all room.
const hostile = "\x1b[2J\x1b]0;title\a\u009b31m\u202eevil\u2066\r\nnext: well\tx\x00\x7f\u2028"

// poison sets each text in a value, at any depth, to a hostile one.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), text)
		}
	}
}

func poisoned[T any](v *T, text string) *T {
	poison(reflect.ValueOf(v), text)
	return v
}

func TestHostileTextsOfTheServerAreHarmless(t *testing.T) {
	for _, text := range []string{hostile, strings.Repeat("a\x1b", 1<<10), strings.Repeat("\u0301", 1<<11)} {
		f := newFake(t)
		f.answer("/tree.json", 200, poisoned(shop(), text))
		f.answer("/causes.json", 200, poisoned(&view.Causes{Head: head()}, text))
		f.answer("/child", 200, poisoned(exporter(), text))
		events := poisoned(ledToIt(), text)
		events.Events[0].N, events.Events[0].Paths, events.Events[1].Text = 7, 3, text
		f.answer("/events.json", 200, events)
		children := poisoned(&view.Children{V: 1, Children: shop().Tree.Children}, text)
		children.Next = "" // else it leads back to itself
		f.answer("/children.json", 200, children)
		f.answer("/goroutines", 200, poisoned(&view.Goroutines{V: 1, Labeled: 1, Stacks: []view.Stack{{N: 1}}}, text))
		f.acts(func(view.Act) (int, any) { return 422, view.Error{V: 1, Error: text} })
		all := []string{
			"tree", "tree -trouble", "tree -at 5m", "tree -json", "top", "top -json", "why /x", "why -stacks /x", "why -stacks -json /x",
			"events", "events -json", "dump", "dump -json", "version", "version -json", "restart /x",
		}
		if text != hostile { // these take longer
			all = []string{"tree", "top", "why -stacks /x", "events", "dump -json"}
		}
		for _, line := range all {
			args := strings.Fields(line)
			r := coppice(t, append([]string{args[0], f.URL}, args[1:]...)...)
			require.Less(t, r.status, 2, "%s: %s", line, r.err)
			for text := range strings.Lines(r.out + r.err) {
				require.True(t, utf8.ValidString(text))
				text = strings.TrimSuffix(text, "\n")
				if strings.Contains(line, "json") { // its texts are complete
					require.NotContains(t, text, "\x1b")
					require.Equal(t, -1, strings.IndexFunc(text, oneline.Harmful), line)
					require.True(t, json.Valid([]byte(text)))
					continue
				}
				if i := strings.IndexFunc(text, oneline.Harmful); i >= 0 {
					require.Fail(t, "a harmful rune", "%s: %q", line, text[i:min(i+20, len(text))])
				}
				require.NotRegexp(t, `^next: well`, text)
			}
		}
		p := &picture{tree: poisoned(shop(), text), got: now}
		for _, l := range frame(p, now, 80, 24) {
			got := l.render(false)
			require.Equal(t, -1, strings.IndexFunc(got, oneline.Harmful))
			require.LessOrEqual(t, width(got), 80)
			require.Less(t, len(got), 20_000)
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	f := newFake(t)
	c := exporter()
	c.Say, c.Node.LastError = strings.Repeat("é", 1<<20), strings.Repeat("é", 1<<20)
	c.Error = "" // the only text that is printed in full
	f.answer("/child", 200, c)
	f.answer("/events.json", 200, ledToIt())
	require.Less(t, len(coppice(t, "why", f.URL, "/x").out), 5000)
}

func TestEveryEventKindIsShown(t *testing.T) {
	for k := supervisor.EventStarting; k <= supervisor.EventOver; k++ {
		e := &view.Event{Seq: 1, Time: now, Kind: k, Path: "/shop"}
		require.Equal(t, fmt.Sprintf("03:03:21.000  %-10s  /shop  #1", k), eventLine(e, now).render(false))
	}
}

func TestTheWordsForLooksAreThoseOfTheTableOfWellness(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "internal", "wellness", "wellness.go"))
	require.NoError(t, err)
	found := 0
	for line := range strings.Lines(string(source)) {
		if _, after, ok := strings.Cut(line, "Look = \""); ok {
			found++
			require.Contains(t, lookWords, after[:strings.Index(after, `"`)])
		}
	}
	require.Equal(t, len(lookWords), found)
}

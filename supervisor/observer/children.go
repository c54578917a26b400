package observer

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
)

// Rows of one answer of children.json.
const (
	defaultPage = 100
	mostPage    = 500
)

func (o *Observer) serveChildren(w http.ResponseWriter, r *http.Request) error {
	m, err := o.model(r)
	if err != nil {
		return err
	}
	rows, err := m.matching(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	from := 0
	if cursor := q.Get("cursor"); cursor != "" {
		if from, err = m.position(rows, cursor); err != nil {
			return err
		}
	}
	n, ok, err := number(r, "n")
	if err != nil {
		return err
	}
	if !ok || n == 0 {
		n = defaultPage
	}
	to := from + int(min(n, mostPage, uint64(len(rows)-from)))
	v := view.Children{V: view.Version, Total: len(rows), From: from, Children: make([]*view.Node, 0, to-from)}
	if m.past {
		v.At = m.at.Truncate(time.Millisecond)
	}
	for _, i := range rows[from:to] {
		node := m.node(i)
		o.memory.about(node)
		v.Children = append(v.Children, node)
	}
	if to < len(rows) {
		v.Next = cursorAt(to, m.items[rows[to-1]].tree.Path)
	}
	writeJSON(w, r, http.StatusOK, v)
	return nil
}

// matching returns the children that a request is about, in its order.
func (m *model) matching(r *http.Request) ([]int32, error) {
	q := r.URL.Query()
	filter, state, cause := strings.ToLower(q.Get("filter")), q.Get("state"), q.Get("mask")
	trouble := q.Get("trouble") == "1"
	top, err := m.named(r)
	if err != nil {
		return nil, err
	}
	rows := []int32{}
	take := func(i int32) {
		it := &m.items[i]
		switch {
		case trouble && it.level == wellness.Well,
			state != "" && state != string(it.look) && state != it.tree.State.String(),
			cause != "" && (it.group < 0 || idOf(m.groups[it.group].form) != cause),
			filter != "" && !m.contains(i, filter):
			return
		}
		rows = append(rows, i)
	}
	if q.Get("path") == "" {
		for i := range m.items {
			take(int32(i))
		}
	} else {
		for k := top + 1; k < m.items[top].end; k = m.items[k].end {
			take(k)
		}
	}
	status := func(i int32) *item { return &m.items[i] }
	switch order := q.Get("sort"); order {
	case "":
	case "restarts":
		slices.SortStableFunc(rows, func(a, b int32) int { return cmp.Compare(status(b).tree.Restarts, status(a).tree.Restarts) })
	case "age":
		slices.SortStableFunc(rows, func(a, b int32) int { return status(b).tree.Since.Compare(status(a).tree.Since) })
	case "name":
		slices.SortStableFunc(rows, func(a, b int32) int { return cmp.Compare(status(a).tree.Name, status(b).tree.Name) })
	default:
		return nil, refuse(http.StatusBadRequest, "sort: must be restarts, age or name")
	}
	return rows, nil
}

func (m *model) contains(i int32, filter string) bool {
	for _, text := range m.texts(i) {
		if strings.Contains(strings.ToLower(text), filter) {
			return true
		}
	}
	return false
}

// A cursor says where the rows go on: after the child at a path, or if that is gone, at an
// index.
func cursorAt(at int, path string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", at, path))
}

// position returns the index of the row that a cursor stands for.
func (m *model) position(rows []int32, cursor string) (int, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	var at int
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%d ", &at)
	}
	if err != nil || at < 0 {
		return 0, refuse(http.StatusBadRequest, "cursor: not one from an answer of children.json")
	}
	_, path, _ := strings.Cut(string(text), " ")
	at = min(at, len(rows))
	if at > 0 && m.items[rows[at-1]].tree.Path == path {
		return at, nil
	}
	for i, row := range rows {
		if m.items[row].tree.Path == path {
			return i + 1, nil
		}
	}
	return at, nil
}

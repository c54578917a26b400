package observer

import (
	"net/http"
	"strconv"

	"github.com/coppice-go/coppice/internal/view"
)

func (o *Observer) serveTree(w http.ResponseWriter, r *http.Request) error {
	m, err := o.model(r)
	if err != nil {
		return err
	}
	h, err := o.head(r, m)
	if err != nil {
		return err
	}
	top, err := m.named(r)
	if err != nil {
		return err
	}
	left := mostRows
	tree := m.nested(top, &left)
	o.recallAll(tree)
	writeJSON(w, r, http.StatusOK, view.Tree{Head: h, Tree: tree})
	return nil
}

func (o *Observer) recallAll(n *view.Node) {
	o.memory.about(n)
	for _, kid := range n.Children {
		o.recallAll(kid)
	}
}

func (o *Observer) serveCauses(w http.ResponseWriter, r *http.Request) error {
	m, err := o.model(r)
	if err != nil {
		return err
	}
	h, err := o.head(r, m)
	if err != nil {
		return err
	}
	writeJSON(w, r, http.StatusOK, view.Causes{Head: h})
	return nil
}

// named returns the index of the child that the parameter path names: a name, a path from
// the root, or a full path. Without the parameter it is the root.
func (m *model) named(r *http.Request) (int32, error) {
	path := r.URL.Query().Get("path")
	if path == "" {
		return 0, nil
	}
	full := path
	if path[0] != '/' {
		full = m.items[0].tree.Path + "/" + path
	}
	if i := m.find(full); i >= 0 {
		return i, nil
	}
	return 0, refuse(http.StatusNotFound, "no child has the path %q now", short(path, view.MaxText/2))
}

// number returns a parameter that is a number, and false if there is none.
func number(r *http.Request, name string) (uint64, bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, false, refuse(http.StatusBadRequest, "%s: not a number", name)
	}
	return n, true, nil
}

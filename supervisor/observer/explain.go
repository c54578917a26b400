package observer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// serveExplain says what the tree will do with a child, or with a supervisor and everything
// below it.
func (o *Observer) serveExplain(w http.ResponseWriter, r *http.Request) error {
	v, err := o.explanation(r)
	if err != nil {
		return err
	}
	writeJSON(w, r, http.StatusOK, v)
	return nil
}

// serveExplainText is serveExplain as text.
func (o *Observer) serveExplainText(w http.ResponseWriter, r *http.Request) error {
	v, err := o.explanation(r)
	if err != nil {
		return err
	}
	text := v.Text
	if v.Problem != "" {
		text += "\n" + v.Problem + "\n"
	}
	writeText(w, r, text)
	return nil
}

// explanation makes the view.
func (o *Observer) explanation(r *http.Request) (*view.Explain, error) {
	grace, err := durationOf(r, "grace")
	if err != nil {
		return nil, err
	}
	path := r.URL.Query().Get("path")
	if path == "" {
		path = o.root.Path()
	} else if path[0] != '/' {
		path = o.root.Path() + "/" + path
	}
	v := &view.Explain{V: view.Version, Path: path}
	var all any
	if s, ok := o.nested(path); ok {
		e := s.Explain()
		if v.Text, all = e.String(), e; grace > 0 {
			if err := e.Fits(grace); err != nil {
				v.Problem = err.Error()
			}
		}
		if c, ok := o.root.ExplainChild(path); ok { // it is not the root
			v.Text = c.String() + "\n\n" + v.Text
		}
	} else if c, ok := o.root.ExplainChild(path); ok {
		v.Text, all = c.String()+"\n", c
	} else {
		return nil, refuse(http.StatusNotFound, "no child has the path %q now", short(path, view.MaxText/2))
	}
	if v.Explanation, err = json.Marshal(all); err != nil {
		return nil, err
	}
	return v, nil
}

// durationOf returns a parameter that is a duration, or zero if there is none.
func durationOf(r *http.Request, name string) (time.Duration, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, refuse(http.StatusBadRequest, "%s: not a positive duration, such as 30s", name)
	}
	return d, nil
}

// persistence says what follows if a child keeps failing.
func persistence(e *supervisor.ChildExplanation) string {
	if len(e.GivesUp) == 0 {
		return "If it keeps failing, it is restarted again and again: its supervisor does not give up."
	}
	var text strings.Builder
	for i, g := range e.GivesUp {
		if i > 0 {
			text.WriteString(" Then")
		} else {
			text.WriteString("If it fails again and again,")
		}
		fmt.Fprintf(&text, " %s gives up after %s", valid(g.Path, view.MaxText), plural(g.Restarts, "restart", "restarts"))
		if g.After > 0 {
			fmt.Fprintf(&text, ", %v after the first failure", g.After.Round(time.Millisecond))
		}
		switch g.Then {
		case supervisor.ThenEnds:
			text.WriteString(", and the tree ends.")
		case supervisor.ThenDown:
			text.WriteString(", and stays down.")
		default:
			text.WriteString(", and is restarted.")
		}
	}
	return text.String()
}

package main

import (
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

// frame returns the lines that show a picture in a window. It never returns more lines
// than there are rows, and no line is wider than the window. What is wrong comes first.
func frame(p *picture, local time.Time, columns, rows int) []line {
	h := p.tree.Head
	now := p.now(local)
	h.Now = now
	out := []line{verdict(&h)}
	if p.lost != "" {
		next := "trying again now"
		if d := p.retry.Sub(local); d > 0 {
			next = "next try in " + short(d.Round(time.Second))
		}
		out = append([]line{{{"Connection lost " + short(local.Sub(p.since).Round(time.Second)) + " ago, " + next + ". This is from " + clock(p.tree.Now, p.tree.Now) + ". ", bad},
			{p.lost, plain}}}, out...)
	}
	if h.Worst != nil {
		out = append(out, line{{clean(h.Worst.Text), bad}})
	}
	room := max(1, rows/4) // for causes
	for i, c := range h.Causes {
		if i == room {
			break
		}
		l := line{{pad(count(c.N), 7) + " ", plain}, {clean(c.Text), lookStyle(c.Look, c.Trouble)}, {"  " + clean(c.Path), plain}}
		if c.Also != "" {
			l = append(l, span{" and " + clean(c.Also), plain})
		}
		out = append(out, l)
	}
	if more := h.MoreCauses + max(0, len(h.Causes)-room); more > 0 && rows >= 10 {
		out = append(out, text("        "+counted(more, "more cause", "more causes")+": coppice top"))
	}
	if rows >= 15 {
		out = append(out, line{})
	}
	if left := rows - len(out); left > 0 {
		if rows < 10 { // without the head of the table
			out = append(out, table(fit(p.tree.Tree, now, left), columns)[1:]...)
		} else {
			out = append(out, table(fit(p.tree.Tree, now, left-1), columns)...)
		}
	}
	if len(out) > rows {
		out = out[:rows]
	}
	for i := range out {
		out[i] = out[i].cut(columns)
	}
	return out
}

// fit returns at most n rows of a tree. If there are more, children that are well are left
// out first, the deepest before the others.
func fit(root *view.Node, now time.Time, n int) []row {
	rows := rowsOf(root, now, drawing{})
	for depth := deepest(rows); depth > 0 && len(rows) > n; depth-- {
		rows = rowsOf(root, now, drawing{hide: depth})
	}
	switch {
	case len(rows) <= n:
		return rows
	case n < 1:
		return nil
	}
	return append(rows[:n-1:n-1], row{name: "… " + counted(len(rows)-n+1, "more line", "more lines")})
}

func deepest(rows []row) int {
	depth := 0
	for _, r := range rows {
		depth = max(depth, r.depth)
	}
	return depth
}

// Package picture parses the drawings and tables in doc comments, so that tests can
// compare them with the code. Only tests use it.
package picture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// An Edge is an arrow from one state to another.
type Edge struct{ From, To string }

func (e Edge) String() string { return e.From + " -> " + e.To }

// Doc returns the doc comment of a type that is declared in a file.
func Doc(file, typeName string) (string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return "", err
	}
	for _, d := range parsed.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE && g.Specs[0].(*ast.TypeSpec).Name.Name == typeName {
			return g.Doc.Text(), nil
		}
	}
	return "", fmt.Errorf("no type %s in %s", typeName, file)
}

// Blocks returns the indented blocks of a comment, without their indentation. An empty
// line ends a block.
func Blocks(doc string) (blocks [][]string) {
	open := false
	for line := range strings.Lines(doc) {
		line, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "\t")
		if indented && !open {
			blocks = append(blocks, nil)
		}
		if open = indented; open {
			blocks[len(blocks)-1] = append(blocks[len(blocks)-1], line)
		}
	}
	return blocks
}

// Arrows returns the arrows of a drawing between the given states.
//
// An arrow consists of the characters - | + and has a head > < ^ v at each state that it
// points to. Connected lines form one arrow. It leads from every state that it touches
// without a head to every state that it touches with one. A space is allowed between a
// state and a horizontal line. All other words are labels.
func Arrows(lines []string, states []string) map[Edge]bool {
	d := drawing{lines: make([][]rune, len(lines)), at: map[[2]int]string{}}
	for y, line := range lines {
		d.lines[y] = []rune(line)
		for _, s := range states {
			for x := 0; x+len(s) <= len(line); x++ {
				if line[x:x+len(s)] == s && !letter(d.cell(x-1, y)) && !letter(d.cell(x+len(s), y)) {
					for i := range s {
						d.at[[2]int{x + i, y}] = s
					}
				}
			}
		}
	}
	edges := map[Edge]bool{}
	seen := map[[2]int]bool{}
	for y := range d.lines {
		for x := range d.lines[y] {
			if d.line(x, y) && !seen[[2]int{x, y}] {
				var from, to []string
				d.follow(x, y, seen, &from, &to)
				for _, f := range from {
					for _, t := range to {
						edges[Edge{f, t}] = true
					}
				}
			}
		}
	}
	return edges
}

type drawing struct {
	lines [][]rune
	at    map[[2]int]string // the state whose name covers a cell
}

func (d *drawing) cell(x, y int) rune {
	if y < 0 || y >= len(d.lines) || x < 0 || x >= len(d.lines[y]) {
		return ' '
	}
	return d.lines[y][x]
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// line reports whether a cell is part of an arrow. A v is part of one unless a letter is next to it.
func (d *drawing) line(x, y int) bool {
	r := d.cell(x, y)
	if r == 'v' {
		return !letter(d.cell(x-1, y)) && !letter(d.cell(x+1, y))
	}
	return strings.ContainsRune("-|+<>^", r)
}

// sides are the four directions from a cell, each with the head that points there.
var sides = [...]struct {
	dx, dy int
	head   rune
}{{1, 0, '>'}, {-1, 0, '<'}, {0, 1, 'v'}, {0, -1, '^'}}

// follow walks along an arrow and collects the states at its ends.
func (d *drawing) follow(x, y int, seen map[[2]int]bool, from, to *[]string) {
	seen[[2]int{x, y}] = true
	r := d.cell(x, y)
	for _, s := range sides {
		across := s.dx != 0
		switch r {
		case '-', '<', '>':
			if !across {
				continue
			}
		case '|', '^', 'v':
			if across {
				continue
			}
		}
		nx, ny := x+s.dx, y+s.dy
		state := d.at[[2]int{nx, ny}]
		if state == "" && across && d.cell(nx, ny) == ' ' && r != '+' {
			state = d.at[[2]int{nx + s.dx, ny}]
		}
		next := d.cell(nx, ny)
		switch {
		case state != "" && r == s.head:
			*to = append(*to, state)
		case state != "" && r != '+':
			*from = append(*from, state)
		case state == "" && d.line(nx, ny) && !seen[[2]int{nx, ny}] && along(next, across):
			d.follow(nx, ny, seen, from, to)
		}
	}
}

// along reports whether an arrow continues into a cell with r, horizontally or vertically.
func along(r rune, across bool) bool {
	if across {
		return strings.ContainsRune("-+<>", r)
	}
	return strings.ContainsRune("|+^v", r)
}

// Rows returns the cells of a table: first those of its first line, then those of the
// other lines. Two or more spaces separate cells.
func Rows(lines []string) (head []string, rows [][]string) {
	for i, line := range lines {
		var cells []string
		for cell := range strings.SplitSeq(line, "  ") {
			if cell = strings.TrimSpace(cell); cell != "" {
				cells = append(cells, cell)
			}
		}
		if i == 0 {
			head = cells
		} else {
			rows = append(rows, cells)
		}
	}
	return head, rows
}

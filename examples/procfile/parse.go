package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// An entry is a process of a Procfile.
type entry struct{ name, line string }

var form = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`)

// parse reads a Procfile.
func parse(file io.Reader) (entries []entry, err error) {
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		parts := form.FindStringSubmatch(line)
		if parts == nil {
			return nil, fmt.Errorf("line %d is not NAME: COMMAND", n)
		}
		entries = append(entries, entry{parts[1], parts[2]})
	}
	if len(entries) == 0 && lines.Err() == nil {
		return nil, errors.New("it has no process")
	}
	return entries, lines.Err()
}

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// headers is the value of the flag -H: "Name: value", or @FILE with one header a line.
type headers http.Header

func (h headers) String() string { return "" }

// Set adds a header. Errors never show a value, which may be a secret.
func (h headers) Set(text string) error {
	file, ok := strings.CutPrefix(text, "@")
	if !ok {
		return h.add(text)
	}
	lines, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(lines)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := h.add(line); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func (h headers) add(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return errors.New(`a header has the form "Name: value"`)
	}
	value = strings.TrimSpace(value)
	if !isToken(name) {
		return errors.New("the name of the header is malformed")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("the value of header %s has a control character", name)
	}
	http.Header(h).Add(name, value)
	return nil
}

// isToken reports whether HTTP permits a text as the name of a header.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

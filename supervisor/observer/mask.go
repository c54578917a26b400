package observer

import (
	"net/netip"
	"strings"
)

// The forms that stand for what may differ between errors of the same cause.
const (
	someAddr   = "‹addr›"
	someID     = "‹id›"
	someNumber = "‹n›"
)

// mostMasked is the number of values that are masked in one text. What follows stays as
// it is.
const mostMasked = 32

// A masked text is one with its numbers, addresses and identifiers taken out. Texts of the
// same form have the same cause.
type masked struct {
	form   string   // with someAddr and such in their place
	parts  []string // the text in between: one more than values
	kinds  []string // someAddr and such
	values []string
}

// mask takes the values out of a text. A word is an address if net/netip can parse it, with
// or without a port, an identifier if it is hexadecimal with 0x in front or has eight
// digits or more, as in a UUID; in all other words each number is one.
func mask(text string) masked {
	var m masked
	begin := 0 // of the part that is not in parts yet
	take := func(from, to int, kind string) {
		m.parts = append(m.parts, text[begin:from])
		m.kinds = append(m.kinds, kind)
		m.values = append(m.values, text[from:to])
		begin = to
	}
	for at := 0; at < len(text) && len(m.values) < mostMasked; {
		if !inWord(text[at]) {
			at++
			continue
		}
		end := at
		digits := 0
		for end < len(text) && inWord(text[end]) {
			if isDigit(text[end]) {
				digits++
			}
			end++
		}
		if digits == 0 && !strings.Contains(text[at:end], "::") {
			at = end
			continue
		}
		from, to := at, end
		for to > from && strings.IndexByte(".:-", text[to-1]) >= 0 { // punctuation after the word
			to--
		}
		for from < to && strings.IndexByte(".-", text[from]) >= 0 {
			from++
		}
		switch word := text[from:to]; {
		case isAddr(word):
			take(from, to, someAddr)
		case isID(word):
			take(from, to, someID)
		default:
			for i := from; i < to && len(m.values) < mostMasked; {
				if !isDigit(text[i]) {
					i++
					continue
				}
				j := i
				for j < to && (isDigit(text[j]) || text[j] == '.' && j+1 < to && isDigit(text[j+1])) {
					j++
				}
				take(i, j, someNumber)
				i = j
			}
		}
		at = end
	}
	m.parts = append(m.parts, text[begin:])
	if len(m.values) == 0 {
		m.form = text
		return m
	}
	m.form = m.fill(m.kinds)
	return m
}

// fill returns the text with values in the places of those that were taken out.
func (m *masked) fill(values []string) string {
	var text strings.Builder
	for i, part := range m.parts {
		text.WriteString(part)
		if i < len(values) {
			text.WriteString(values[i])
		}
	}
	return text.String()
}

// A shared is what the texts of one cause have in common: a value that they all share is
// shown, one that differs is not.
type shared struct {
	masked
	differ bool // some value does
	shown  []string
}

// add adds a text of the same form.
func (s *shared) add(m masked) {
	if s.parts == nil {
		s.masked, s.shown = m, append([]string(nil), m.values...)
		return
	}
	for i := range min(len(s.shown), len(m.values)) {
		if s.shown[i] != m.values[i] && s.shown[i] != s.kinds[i] {
			s.shown[i], s.differ = s.kinds[i], true
		}
	}
}

func (s *shared) String() string { return s.fill(s.shown) }

func inWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte(".:-[]%_", c) >= 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAddr(word string) bool {
	if strings.Count(word, ".") != 3 && strings.Count(word, ":") < 2 {
		return false
	}
	if _, err := netip.ParseAddrPort(word); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(word, "[]"))
	return err == nil
}

// isID reports whether a word is hexadecimal and long: more than a number with a unit.
func isID(word string) bool {
	hex, marked := strings.CutPrefix(strings.ToLower(word), "0x")
	n := 0
	for i := range len(hex) {
		switch c := hex[i]; {
		case isDigit(c), 'a' <= c && c <= 'f':
			n++
		case c != '-' || i == 0:
			return false
		}
	}
	return marked && n > 0 || n >= 8 && strings.ContainsAny(hex, "abcdef")
}

// Package enum gives an enumeration its texts: a small integer of which each
// value has a name.
package enum

import "fmt"

// Names are the names of the values of E, from zero on. A value without one, or
// with an empty one, is not valid.
type Names[E ~uint8] struct {
	kind   string
	noSuch string
	names  []string
}

// Of returns the names of an enumeration. A value that is not valid has the text
// kind(7), as in "state(7)", and noSuch begins the errors, as in "child: no such
// state: 7".
func Of[E ~uint8](kind, noSuch string, names ...string) Names[E] {
	return Names[E]{kind: kind, noSuch: noSuch, names: names}
}

// Valid reports whether e has a name.
func (n *Names[E]) Valid(e E) bool { return int(e) < len(n.names) && n.names[e] != "" }

// String is the String method of e.
func (n *Names[E]) String(e E) string {
	if n.Valid(e) {
		return n.names[e]
	}
	return fmt.Sprintf("%s(%d)", n.kind, uint8(e))
}

// MarshalText is the MarshalText method of e.
func (n *Names[E]) MarshalText(e E) ([]byte, error) {
	if !n.Valid(e) {
		return nil, fmt.Errorf("%s: %d", n.noSuch, uint8(e))
	}
	return []byte(n.names[e]), nil
}

// UnmarshalText is the UnmarshalText method of e. If there is no such name, it
// leaves e as it was.
func (n *Names[E]) UnmarshalText(e *E, text []byte) error {
	for i, name := range n.names {
		if name != "" && name == string(text) {
			*e = E(i)
			return nil
		}
	}
	return fmt.Errorf("%s: %q", n.noSuch, text)
}

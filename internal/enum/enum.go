// Package enum implements String, MarshalText and UnmarshalText for enumerations: small
// integers whose values have names.
package enum

import "fmt"

// Names holds the names of the values of E, starting with zero. A value without a name,
// or with an empty one, is not valid.
type Names[E ~uint8] struct {
	kind   string
	noSuch string
	names  []string
}

// Of returns the Names of an enumeration. String of an invalid value is its kind and
// number, such as "state(7)". Errors begin with noSuch, such as "child: no such state: 7".
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

// UnmarshalText is the UnmarshalText method of e. If no value has the name, it returns an
// error and leaves e unchanged.
func (n *Names[E]) UnmarshalText(e *E, text []byte) error {
	for i, name := range n.names {
		if name != "" && name == string(text) {
			*e = E(i)
			return nil
		}
	}
	return fmt.Errorf("%s: %q", n.noSuch, text)
}

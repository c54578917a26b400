package machine

// mostFewNames is the number of children up to which they are found by their names without
// a map. Most supervisors never have more.
const mostFewNames = 8

// Child returns the child with that name, or nil.
func (m *Machine) Child(name string) *Child {
	if m.names != nil {
		if c := m.names[name]; c != nil && m.isPresent(c) {
			return c
		}
		return nil
	}
	for c := m.first; c != nil; c = c.next {
		if c.Spec.Name == name {
			return c
		}
	}
	return nil
}

// addName makes c, which is among the children, known by its name.
func (m *Machine) addName(c *Child) {
	switch {
	case m.names != nil:
		m.names[c.Name()] = c
	case m.specs > m.fewNames:
		m.listNames()
	}
}

// listNames makes the map of names. It stays, however few the children become.
func (m *Machine) listNames() {
	m.names = make(map[string]*Child, m.specs)
	for c := m.first; c != nil; c = c.next {
		m.names[c.Name()] = c
	}
}

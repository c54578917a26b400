package machine

// drain returns the actions that the latest event has led to, in order.
func drain(m *Machine) (actions []Action) {
	for a := m.Next(); a != nil; a = m.Next() {
		actions = append(actions, *a)
	}
	return actions
}

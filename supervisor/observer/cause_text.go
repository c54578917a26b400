package observer

// Texts of causes that are not errors.
const (
	abandonedText = "a run did not stop in time and was abandoned"
	slowText      = "the start takes long: Ready has not been called"
	waitsText     = "not running: its turn to start has not come"
)

package observer

// Texts of causes that are not errors.
const (
	abandonedText = "a run did not stop in time and was abandoned"
	slowText      = "the start takes long: Ready has not been called"
	waitsText     = "not running: it waits for its group, or for Resume"
)

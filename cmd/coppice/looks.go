package main

import (
	"github.com/coppice-go/coppice/internal/view"
)

// lookWords are the words for the looks of children, the same as on the page.
var lookWords = map[string]string{
	"running": "running", "starting": "starting", "stopping": "stopping", "waiting": "waiting to restart",
	"unready": "not ready", "hung": "hung", "gaveup": "gave up", "stopped": "stopped", "pending": "not started yet", "done": "done",
	"standby": "standing by", "suspended": "suspended", "abandoned": "run abandoned", "degraded": "degraded",
}

// lookWord returns the word for a look. A look that this program does not know is shown
// as it is.
func lookWord(look string) string {
	if word, ok := lookWords[look]; ok {
		return word
	}
	return clean(look)
}

// is returns what a sentence says of a look after the path of the child: a verb, and words.
func is(look string) (verb, words string) {
	switch look {
	case "gaveup":
		return " ", "gave up"
	case "abandoned":
		return " has ", "an abandoned run"
	}
	return " is ", lookWord(look)
}

// lookStyle returns the style for a look: first how bad it is, then what it is.
func lookStyle(look string, trouble int) style {
	switch {
	case trouble >= 3:
		return bad
	case trouble >= 1:
		return warn
	case look == "running" || look == "standby" || look == "well":
		return good
	case look == "stopped" || look == "pending" || look == "done":
		return dim
	}
	return plain
}

// stateStyle returns the style for the state of the whole tree.
func stateStyle(s view.State) style {
	switch s {
	case view.Well:
		return good
	case view.Down:
		return bad
	}
	return warn
}

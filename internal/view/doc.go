// Package view has the JSON of each view of supervisor/observer as Go types. The handler
// encodes them; the page, the command coppice and tests decode them.
//
// The format is a promise: each response begins with "v", the version, which is 1. Fields
// may be added to version 1, but none will change or be removed. A reader must ignore
// fields that it does not know.
//
// Times are RFC 3339 with the offset of the server; a zero time is omitted. Durations are
// nanoseconds unless a field says otherwise. Texts are valid UTF-8. Names, paths, errors
// and status texts come from the program and may contain anything: show them as text,
// never as markup, and escape them for a terminal. Texts in lists are cut to MaxText bytes,
// those of one child to MaxLongText.
//
//	GET  tree.json       Tree
//	GET  causes.json     Causes
//	GET  children.json   Children
//	GET  child           Child
//	GET  goroutines      Goroutines
//	GET  events.json     Events
//	GET  events          server-sent events: Event, Missed, Bye
//	GET  explain.json    Explain
//	POST act             Act, answered by Acted, Conflict or Error
//
// Every other answer than 200 has a body of type Error, except that of a conflict (409).
package view

// Version is the version of the format.
const Version = 1

// Bounds of texts, in bytes. A text that is cut ends with "…".
const (
	MaxText     = 1 << 10
	MaxLongText = 16 << 10
)

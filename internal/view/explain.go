package view

import "encoding/json"

// Explain is the answer of explain.json?path=PATH&grace=30s: what the tree will do with a
// child, or with a supervisor and everything below it.
type Explain struct {
	V       int    `json:"v"`
	Path    string `json:"path"`
	Text    string `json:"text"`              // several lines
	Problem string `json:"problem,omitempty"` // why a stop of the supervisor may take longer than the grace period; empty if not, or if none was given

	// Explanation is the JSON of supervisor.Explanation, or of supervisor.ChildExplanation for
	// a child in which no supervisor runs. Durations are texts, such as "1.5s".
	Explanation json.RawMessage `json:"explanation"`
}

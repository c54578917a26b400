package supervisor

import (
	"encoding/json"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
)

// MarshalJSON writes the fields in snake case, the error and the stack as text, and the
// delay as time.Duration prints it. It omits zero fields, except seq, time, event and
// path. Texts are complete, also if they have several lines; control and format
// characters in them are written as \u escapes. Of Changes there is only the text.
func (e Event) MarshalJSON() ([]byte, error) {
	fields := struct {
		Seq      uint64    `json:"seq"`
		Time     time.Time `json:"time"`
		Kind     EventKind `json:"event"`
		Path     string    `json:"path"`
		Restarts int       `json:"restarts,omitempty"`
		Ready    bool      `json:"ready,omitempty"`
		Err      string    `json:"err,omitempty"`
		Delay    string    `json:"delay,omitempty"`
		Stack    string    `json:"stack,omitempty"`
		Took     string    `json:"took,omitempty"`
		Lost     uint64    `json:"lost,omitempty"`
		Run      uint64    `json:"run,omitempty"`
		Text     string    `json:"text,omitempty"`
		Reason   Reason    `json:"reason,omitempty"`
		By       string    `json:"by,omitempty"`
		Because  uint64    `json:"because,omitempty"`
	}{Seq: e.Seq, Time: e.Time, Kind: e.Kind, Path: e.Path, Restarts: e.Restarts, Ready: e.Ready, Stack: string(e.Stack), Lost: e.Lost,
		Run: e.Run, Text: e.Text, Reason: e.Reason, By: e.By, Because: e.Because}
	if e.Err != nil {
		fields.Err = oneline.Sprint(e.Err)
	}
	if e.Delay > 0 {
		fields.Delay = e.Delay.String()
	}
	if e.Took > 0 {
		fields.Took = e.Took.String()
	}
	text, err := json.Marshal(fields)
	return oneline.JSON(text), err
}

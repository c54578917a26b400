package view

// Action is what an operator can request.
type Action string

const (
	Restart Action = "restart"
	Stop    Action = "stop"
	Start   Action = "start"
	Suspend Action = "suspend"
	Resume  Action = "resume"
)

// Act is the request of POST act, with the content type application/json.
type Act struct {
	Path   string `json:"path"`
	Action Action `json:"action"`
	Run    uint64 `json:"run"`             // Node.Run as it was seen; zero is refused unless the child has not run yet
	Force  bool   `json:"force,omitempty"` // required to stop what serves the answer
}

// Acted is the answer to an action that was carried out. If it stops what serves the
// answer, the answer is sent before the action is carried out, and Later is set.
type Acted struct {
	V     int    `json:"v"`
	Seq   uint64 `json:"seq"`             // number of the latest event before the action
	Run   uint64 `json:"run,omitempty"`   // the child's run after it
	Later bool   `json:"later,omitempty"` // it is carried out after this answer
	Note  string `json:"note,omitempty"`  // done, but something went wrong, such as a run that was abandoned
}

// Conflict is the answer with status 409: the child has another run than the one that was
// seen. Nothing was done.
type Conflict struct {
	V      int    `json:"v"`
	Error  string `json:"error"`
	NowRun uint64 `json:"now_run"`
}

// Error is the answer of a request that failed.
type Error struct {
	V     int    `json:"v"`
	Error string `json:"error"` // says what to do where there is one thing to do
}

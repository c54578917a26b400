package supervisortest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/supervisor"
)

// report returns an error's text, with the stacks of abandoned runs.
func report(err error) string {
	text := err.Error()
	var stop *supervisor.StopError
	if !errors.As(err, &stop) {
		return text
	}
	var all strings.Builder
	all.WriteString(text)
	for _, s := range stop.Abandoned {
		fmt.Fprintf(&all, "\n%s, after %v:\n%s", s.Path, s.After, s.Stack)
	}
	return all.String()
}

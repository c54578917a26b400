package supervisortest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/supervisor"
)

// report is an error's text, and for runs that were left behind their stacks.
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

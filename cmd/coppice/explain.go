package main

import (
	"context"
	"flag"
	"net/url"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

func explainCommand() *command {
	var grace time.Duration
	return &command{
		name: "explain", url: needed, path: optional, timeout: readTimeout,
		short: "what the tree will do: restarts, giving up, longest start and stop",
		long: `
Prints what the settings of a running tree mean: for each child when it is restarted, with
which siblings and after which delays, when its supervisor gives up and what follows; and
for each supervisor how long a start and a stop may take, and which settings make that
long. With PATH it explains that child, or that supervisor and everything below it.

-grace says how long a stop may take, such as the terminationGracePeriodSeconds of a pod.
If it may take longer, the last line says what to change, and the exit status is 1.

-json prints the answer of the server.`,
		flags: func(f *flag.FlagSet) {
			f.DurationVar(&grace, "grace", 0, "compare the longest stop with this `time`")
		},
		run: func(ctx context.Context, s *session) error {
			query := url.Values{}
			if s.path != "" {
				query.Set("path", s.path)
			}
			if grace != 0 {
				query.Set("grace", grace.String())
			}
			var v view.Explain
			text, err := s.client.get(ctx, "explain.json", query, &v)
			if err != nil {
				return err
			}
			if s.json {
				s.printf("%s\n", safeJSON(text))
			} else {
				for line := range strings.Lines(v.Text) {
					s.printf("%s\n", clean(strings.TrimSuffix(line, "\n")))
				}
				if v.Problem != "" {
					s.printf("\n%s\n", clean(v.Problem))
				}
			}
			if v.Problem != "" {
				return errTrouble
			}
			return nil
		},
	}
}

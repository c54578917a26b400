package main

import (
	"context"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/coppice-go/coppice/internal/view"
)

func versionCommand() *command {
	return &command{
		name: "version", url: optional, timeout: readTimeout,
		short: "the version of this command, and of a program",
		long: `
Prints the version of this command, and with a URL that of the program that serves it,
its Go version and its host.`,
		run: func(ctx context.Context, s *session) error {
			said := struct {
				Coppice string       `json:"coppice"`
				Go      string       `json:"go"`
				Program *programInfo `json:"program,omitempty"`
			}{Coppice: version(), Go: runtime.Version()}
			if s.client != nil {
				var causes view.Causes
				if _, err := s.client.get(ctx, "causes.json", nil, &causes); err != nil {
					return err
				}
				said.Program = &programInfo{causes.Name, causes.Version, causes.Go, causes.Host}
			}
			if s.json {
				text, err := json.Marshal(said)
				if err != nil {
					return err
				}
				s.printf("%s\n", safeJSON(text))
				return nil
			}
			s.printf("coppice %s %s\n", said.Coppice, said.Go)
			if p := said.Program; p != nil {
				parts := []string{p.Name, p.Version, p.Go}
				if p.Host != "" {
					parts = append(parts, "on "+p.Host)
				}
				s.printf("%s\n", strings.Join(strings.Fields(clean(strings.Join(parts, " "))), " "))
			}
			return nil
		},
	}
}

type programInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Go      string `json:"go,omitempty"`
	Host    string `json:"host,omitempty"`
}

// version returns the version of this command: that of its module, such as v0.4.0.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
)

// A session is one call of a command.
type session struct {
	in     io.Reader
	out    *output
	err    io.Writer
	screen screen // of out

	client *client // nil without a URL
	path   string  // the argument PATH; empty if there was none
	json   bool
}

// printf prints to the standard output.
func (s *session) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

// warnf prints a line to the standard error.
func (s *session) warnf(format string, args ...any) { fmt.Fprintf(s.err, format+"\n", args...) }

// run carries out a command line and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer) int {
	err := dispatch(ctx, args, in, out, stderr)
	if said := (&exitError{}); err != nil && (!errors.As(err, &said) || said.err != nil) {
		fmt.Fprintln(stderr, "coppice:", oneline.Of(err))
	}
	return statusOf(err)
}

func dispatch(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer) error {
	if len(args) == 0 {
		printOverview(stderr)
		return &exitError{status: exitUsage}
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return help(rest, out)
	}
	cmd := find(name)
	if cmd == nil {
		return usageError("no command %q: coppice help lists them", name)
	}
	s := &session{in: in, out: &output{w: out}, err: stderr, screen: screenOf(out)}
	switch err := s.parse(cmd, rest); {
	case errors.Is(err, flag.ErrHelp):
		return help([]string{name}, out)
	case err != nil:
		return err
	}
	if s.client != nil {
		defer s.client.close()
	}
	err := cmd.run(ctx, s)
	if s.out.err != nil {
		return reachError("cannot write: %w", s.out.err)
	}
	return err
}

// An output remembers the first error of a writer, and writes nothing after it.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	o.err = err
	return n, err
}

// parse reads the flags and arguments of a command. They may come in any order.
func (s *session) parse(cmd *command, args []string) error {
	header, caFile, timeout := headers{}, "", cmd.timeout
	flags := cmd.flagSet(&s.json, &header, &caFile, &timeout)
	args, err := scan(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	if err != nil {
		return usageError("%s: %w. See coppice help %s", cmd.name, err, cmd.name)
	}
	if cmd.url != none && timeout <= 0 {
		return usageError("-timeout must be positive")
	}
	urls, paths := []string{}, []string{}
	for _, arg := range args {
		if cmd.url != none && isURL(arg) {
			urls = append(urls, arg)
		} else {
			paths = append(paths, arg)
		}
	}
	if env := os.Getenv("COPPICE_URL"); len(urls) == 0 && cmd.url == needed && env != "" {
		urls = append(urls, env)
	}
	switch {
	case len(urls) > 1:
		return usageError("%s takes one URL", cmd.name)
	case len(urls) == 0 && cmd.url == needed && len(paths) > 0 && looksLikeHost(paths[0]):
		return usageError("no URL: write http://%s, or set COPPICE_URL", paths[0])
	case len(urls) == 0 && cmd.url == needed:
		return usageError("no URL: write coppice %s http://localhost:6060, or set COPPICE_URL", cmd.name)
	case len(paths) > 1 || len(paths) == 1 && cmd.path == none:
		return usageError("%s: unexpected argument %q", cmd.name, paths[len(paths)-1])
	case len(paths) == 0 && cmd.path == needed:
		return usageError("%s: no %s. See coppice help %s", cmd.name, cmd.pathName(), cmd.name)
	}
	if len(paths) == 1 {
		s.path = paths[0]
	}
	if len(urls) == 0 {
		return nil
	}
	t, err := parseTarget(urls[0])
	if err != nil {
		return &exitError{exitUsage, err}
	}
	s.client, err = newClient(t, http.Header(header), caFile, timeout)
	return err
}

// looksLikeHost reports whether an argument is a URL without its scheme.
func looksLikeHost(arg string) bool {
	host, _, _ := strings.Cut(arg, "/")
	return strings.Contains(host, ":") || host == "localhost"
}

// scan parses flags that stand before, between and behind the other arguments, which it
// returns. All arguments behind "--" are no flags.
func scan(flags *flag.FlagSet, args []string) (others []string, err error) {
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(others, rest...), nil
		}
		if len(rest) == 0 {
			break
		}
		others, args = append(others, rest[0]), rest[1:]
	}
	return others, nil
}

// The default of -timeout: for what is read at once, and for what the server has to wait
// for.
const (
	readTimeout = 10 * time.Second
	actTimeout  = 5 * time.Minute
)

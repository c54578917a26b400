package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// printOverview prints what coppice does, and its commands.
func printOverview(w io.Writer) {
	fmt.Fprint(w, `coppice shows and steers a running supervision tree.

Usage: coppice COMMAND [flags] URL [PATH]

`)
	for _, make := range commands {
		cmd := make()
		fmt.Fprintf(w, "  %-9s %s\n", cmd.name, cmd.short)
	}
	fmt.Fprint(w, `
URL is that of the page of package observer: http://localhost:6060, https://HOST/PATH/,
unix:/run/shop.sock or unix:/run/shop.sock:/PATH/. Without a path it is /debug/coppice/.
COPPICE_URL in the environment is used if there is none. PATH is that of a child, such as
/shop/db.

Exit status: 0 well, 1 something is not well, 2 usage, 3 no answer, 4 refused.

coppice help COMMAND says more.
`)
}

// help prints the overview, or the help of a command.
func help(args []string, w io.Writer) error {
	if len(args) == 0 {
		printOverview(w)
		return nil
	}
	cmd := find(args[0])
	switch {
	case len(args) > 1:
		return usageError("help takes one command")
	case cmd == nil:
		return usageError("no command %q: coppice help lists them", args[0])
	}
	fmt.Fprintf(w, "Usage: coppice %s\n\n%s\n", cmd.usage(), strings.TrimSpace(cmd.long))
	var (
		asJSON  bool
		header  headers
		caFile  string
		timeout time.Duration
	)
	flags := cmd.flagSet(&asJSON, &header, &caFile, &timeout)
	title := "\nFlags:\n"
	flags.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "%s  -%s%s\n        %s\n", title, f.Name, value, text)
		title = ""
	})
	return nil
}

// usage returns the line of the command.
func (c *command) usage() string {
	line := c.name + " [flags]"
	for _, arg := range []struct {
		need need
		name string
	}{{c.url, "URL"}, {c.path, strings.ReplaceAll(c.pathName(), " or ", "|")}} {
		switch arg.need {
		case optional:
			line += " [" + arg.name + "]"
		case needed:
			line += " " + arg.name
		}
	}
	return line
}

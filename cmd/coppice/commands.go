package main

import (
	"context"
	"flag"
	"io"
	"time"
)

// commands lists the commands in the order of the help.
var commands = []func() *command{
	treeCommand, topCommand, whyCommand, explainCommand, watchCommand, eventsCommand, dumpCommand,
	restartCommand, stopCommand, startCommand, suspendCommand, resumeCommand,
	blackboxCommand, versionCommand,
}

// A command is a row of the table of commands.
type command struct {
	name  string
	short string // one line, for the list of commands
	long  string // paragraphs, for the help of the command

	url, path need
	file      bool          // its PATH is that of a file, not of a child
	noJSON    bool          // it has no -json
	timeout   time.Duration // default of -timeout
	flags     func(*flag.FlagSet)
	run       func(context.Context, *session) error
}

// need says whether a command takes an argument.
type need uint8

const (
	none need = iota
	optional
	needed
)

// find returns the command of a name, or nil.
func find(name string) *command {
	for _, make := range commands {
		if cmd := make(); cmd.name == name {
			return cmd
		}
	}
	return nil
}

// pathName returns what the help calls the argument that is no URL.
func (c *command) pathName() string {
	if c.file {
		return "DIR or FILE"
	}
	return "PATH"
}

// flagSet returns the flags of the command, its own and those that it shares.
func (c *command) flagSet(asJSON *bool, header *headers, caFile *string, timeout *time.Duration) *flag.FlagSet {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	if c.flags != nil {
		c.flags(flags)
	}
	if !c.noJSON {
		flags.BoolVar(asJSON, "json", false, "print JSON")
	}
	if c.url != none {
		flags.Var(header, "H", "send a `header`, such as \"Authorization: Bearer …\"; @FILE has one in each line; repeatable")
		flags.StringVar(caFile, "cacert", "", "trust the certificate authorities in this PEM `file`, and no others")
		flags.DurationVar(timeout, "timeout", c.timeout, "wait this long for an answer")
	}
	return flags
}

package main

import (
	"errors"
	"fmt"
)

// The exit statuses.
const (
	exitWell    = 0
	exitTrouble = 1
	exitUsage   = 2
	exitReach   = 3
	exitRefused = 4
)

// An exitError is an error with the exit status that it leads to.
type exitError struct {
	status int
	err    error // nil if everything has been printed already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// errTrouble ends a command that has printed what is not well.
var errTrouble error = &exitError{status: exitTrouble}

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func troubleError(format string, args ...any) error {
	return &exitError{exitTrouble, fmt.Errorf(format, args...)}
}

func reachError(format string, args ...any) error {
	return &exitError{exitReach, fmt.Errorf(format, args...)}
}

func refusedError(format string, args ...any) error {
	return &exitError{exitRefused, fmt.Errorf(format, args...)}
}

// statusOf returns the exit status of the error of a command.
func statusOf(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitWell
	case errors.As(err, &e):
		return e.status
	}
	return exitReach
}

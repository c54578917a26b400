// Package vet finds mistakes in the use of Coppice before the program runs. Command
// coppice-vet runs its analyzers:
//
//	go install github.com/coppice-go/coppice/contrib/vet/cmd/coppice-vet@latest
//	go vet -vettool=$(which coppice-vet) ./...
//
// Such a go vet runs these analyzers only: run the usual go vet, too. Other drivers of
// golang.org/x/tools/go/analysis can run the analyzers that Analyzers returns.
//
// # Findings
//
//	ready       a Run that works until it is stopped, and neither calls ctx.Ready nor hands
//	            ctx to a function that may call it
//	readyerr    an error of ctx.Ready that is ignored
//	blocking    a Run that blocks and never looks at ctx
//	exit        log.Fatal or os.Exit in a Run
//	goroutine   a go statement in a Run with neither ctx nor anything that waits for the
//	            goroutine or ends it
//	runstate    a Run that closes something of its receiver that it does not make again, so
//	            that the next run finds it closed
//	restart     StartChild under an Independent supervisor without Restart, of a Run that
//	            may return nil before it is stopped
//	bubble      a channel that is made outside of supervisortest.Run and waited for in it
//
// A Run is a function of type func(child.Context) error: a method named Run, a function
// literal, or a function that is used as a value, as in child.Spec{Run: serve}.
//
// The analyzers look at one function at a time, and report only plain mistakes. Code that
// they do not report may still be wrong: supervisortest.Check finds more, and at run time
// the supervisor reports runs that do not become ready, do not stop, or fail.
//
// If a finding is intended, say so in the code: "_ = ctx.Ready()" ignores an error on
// purpose, and "Restart: child.Permanent" is a decision. A flag such as -goroutine=false
// turns off an analyzer.
package vet

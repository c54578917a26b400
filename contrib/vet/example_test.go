package vet_test

import (
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/contrib/vet"
)

// The analyzers can be given to any driver, such as multichecker.Main(vet.Analyzers()...).
func ExampleAnalyzers() {
	for _, a := range vet.Analyzers() {
		first, _, _ := strings.Cut(a.Doc, "\n")
		fmt.Printf("%s: %s\n", a.Name, first)
	}
	// Output:
	// ready: find Runs that never become ready
	// readyerr: find errors of ctx.Ready that are ignored
	// blocking: find Runs that block and never look at ctx
	// exit: find log.Fatal and os.Exit in Runs
	// goroutine: find goroutines of a Run that nothing ends or waits for
	// runstate: find Runs that leave their receiver unusable for the next run
	// restart: find jobs that StartChild starts under an Independent supervisor without Restart
	// bubble: find channels that are made outside of a bubble and waited for in it
}

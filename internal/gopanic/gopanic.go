// Package gopanic has the only name of a runtime internal that Coppice depends on.
package gopanic

// Function is the name, in a stack, of the runtime's function that runs deferred functions
// because of a panic. The frames below it are those of the code that panicked.
const Function = "runtime.gopanic"

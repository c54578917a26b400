// Package seal restricts the implementations of child.Context to those of Coppice, so that
// methods can be added to the interface later.
//
// It is a separate package because child declares the interface and supervisor has the
// main implementation, and users must not be able to write another.
package seal

// Sealed is an interface that only types that embed a Seal implement.
type Sealed interface{ sealed() }

// Seal makes a type that embeds it Sealed. It takes no space unless it is the last field.
type Seal struct{}

func (Seal) sealed() {}

// Package seal keeps child.Context to the types of Coppice, so that methods can be
// added to it.
//
// It is a package of its own because child declares the interface, supervisor has
// the type that matters most, and neither must let users write one.
package seal

// Sealed is an interface that only a type with a Seal in it has.
type Sealed interface{ sealed() }

// Seal is embedded. It takes no room, unless it stands last.
type Seal struct{}

func (Seal) sealed() {}

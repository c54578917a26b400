// Package recipes has a short, whole program for each of several common tasks. Each is a
// test, or an example whose output is checked. Copy the one that is nearest to what you
// need. The package exports nothing.
package recipes

// Package recipes has whole programs for common tasks, each about twenty lines and
// each an example or a test with its output checked. Copy the one that is nearest to
// what you need. There is nothing here to import.
package recipes

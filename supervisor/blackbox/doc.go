// Package blackbox records what happens in a supervision tree to disk.
package blackbox

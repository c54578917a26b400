// Package context keeps the former names of types and functions that package child now
// defines.
//
// New code should import only child. A file that imports both this package and the
// standard library's context is hard to read.
package context

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/child"
)

// Context is child.Context.
type Context = child.Context

// FromContext is child.FromContext.
func FromContext(ctx context.Context) Context { return child.FromContext(ctx) }

// Sleep is child.Sleep.
func Sleep(ctx context.Context, d time.Duration) (halted bool) { return child.Sleep(ctx, d) }

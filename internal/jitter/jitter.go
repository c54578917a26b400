// Package jitter takes what is random out of the pauses of a tree, for a test that
// wants them to be the same each time.
package jitter

import (
	"context"
	"reflect"
)

type noneKey struct{}

// None returns a context for the root of a tree whose pauses have no jitter.
func None(ctx context.Context) context.Context { return context.WithValue(ctx, noneKey{}, true) }

// IsNone reports whether ctx is one of None, or derived from one.
func IsNone(ctx context.Context) bool { return ctx.Value(noneKey{}) != nil }

// A Remover is a backoff policy that can remove its own jitter, as those that
// package child makes.
type Remover interface{ RemoveJitter() }

// Remove removes the jitter of a backoff policy that is a Remover, or one of
// github.com/cenkalti/backoff, v4 or v5. Others stay as they are.
func Remove(policy any) {
	if r, ok := policy.(Remover); ok {
		r.RemoveJitter()
		return
	}
	// An ExponentialBackOff, of whichever version: this package imports neither.
	v := reflect.ValueOf(policy)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return
	}
	if f := v.Elem().FieldByName("RandomizationFactor"); f.CanSet() && f.CanFloat() {
		f.SetFloat(0)
	}
}

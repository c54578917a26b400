// Package jitter removes the random part of backoff delays, for tests that need the same
// delays each time.
package jitter

import (
	"context"
	"reflect"
)

type noneKey struct{}

// None returns a context that removes the jitter from all backoffs of the tree that is
// started with it.
func None(ctx context.Context) context.Context { return context.WithValue(ctx, noneKey{}, true) }

// IsNone reports whether ctx is a result of None, or derived from one.
func IsNone(ctx context.Context) bool { return ctx.Value(noneKey{}) != nil }

// A Remover is a backoff policy that can remove its own jitter, like those of package
// child.
type Remover interface{ RemoveJitter() }

// Remove removes the jitter of a backoff policy that is a Remover, or that points to a
// struct with a RandomizationFactor, as the ExponentialBackOff of cenkalti/backoff (v4 and
// v5) does. It leaves others unchanged, also those that wrap such a policy.
func Remove(policy any) {
	if r, ok := policy.(Remover); ok {
		r.RemoveJitter()
		return
	}
	// By reflection, for the ExponentialBackOff of both versions without importing them.
	v := reflect.ValueOf(policy)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return
	}
	if f := v.Elem().FieldByName("RandomizationFactor"); f.CanSet() && f.CanFloat() {
		f.SetFloat(0)
	}
}

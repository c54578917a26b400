package jitter

import "reflect"

// A Factorer is a backoff policy that knows by which part its delays vary, like those of
// package child.
type Factorer interface{ JitterFactor() float64 }

// Factor returns by which part of it a delay of a policy may be shorter or longer: that of a
// Factorer, or the RandomizationFactor of a struct that the policy points to. It is zero for
// others, and after Remove.
func Factor(policy any) float64 {
	if f, ok := policy.(Factorer); ok {
		return f.JitterFactor()
	}
	v := reflect.ValueOf(policy)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return 0
	}
	if f := v.Elem().FieldByName("RandomizationFactor"); f.IsValid() && f.CanFloat() {
		return f.Float()
	}
	return 0
}

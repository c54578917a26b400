package supervisor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

type (
	aroundFunc = func(child.Context, func(child.Context) error) error
	aroundKey  string
)

func TestAroundsCallsTheFirstOutermost(t *testing.T) {
	var log []string
	named := func(name string) aroundFunc {
		return func(ctx child.Context, run func(child.Context) error) error {
			log = append(log, name)
			err := run(child.FromContext(context.WithValue(ctx, aroundKey(name), len(log))))
			log = append(log, name+" ends")
			return errors.Join(err, errors.New(name))
		}
	}
	all := supervisor.Arounds(nil, named("a"), named("b"), nil, named("c"), nil)
	for range 2 { // it may be called again
		log = nil
		err := all(child.FromContext(t.Context()), func(ctx child.Context) error {
			log = append(log, "run")
			for i, name := range []string{"a", "b", "c"} {
				require.Equal(t, i+1, ctx.Value(aroundKey(name)), "each sees the context of those outside of it")
			}
			return errBoom
		})
		require.Equal(t, []string{"a", "b", "c", "run", "c ends", "b ends", "a ends"}, log)
		require.EqualError(t, err, "boom\nc\nb\na")
	}
}

func TestAroundsMayLeaveOutTheRun(t *testing.T) {
	refuses := func(child.Context, func(child.Context) error) error { return errBoom }
	err := supervisor.Arounds(refuses, func(child.Context, func(child.Context) error) error {
		t.Error("called")
		return nil
	})(child.FromContext(t.Context()), nil)
	require.Equal(t, errBoom, err)
}

func TestAroundsOfNothingIsNil(t *testing.T) {
	require.Nil(t, supervisor.Arounds())
	require.Nil(t, supervisor.Arounds(nil, nil))
	var spec supervisor.Spec
	spec.Around = supervisor.Arounds(nil, spec.Around)
	require.Nil(t, spec.Around)
}

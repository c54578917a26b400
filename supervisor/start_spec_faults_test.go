package supervisor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// faults returns the lines of an error.
func faults(err error) []string { return strings.Split(err.Error(), "\n") }

func TestTheZeroSpecIsValid(t *testing.T) {
	require.NoError(t, supervisor.Spec{}.Validate())
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{})
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, "/root", sup.Path())
		require.Equal(t, "/root (one-for-one)", sup.String())
		require.NoError(t, sup.Health())
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestValidateReportsAllFaultsAtOnceWithPathAndField(t *testing.T) {
	err := supervisor.Spec{
		Name:         "a/b",
		Strategy:     9,
		Intensity:    strategy.AtMost(-1, time.Second),
		AutoShutdown: 9,
		MaxChildren:  -1,
		StopTimeout:  -time.Second,
		Children: []child.Spec{
			{},
			{Name: "x/y", Run: idle, Restart: 9, StartTimeout: -1, ResetAfter: -1, Heartbeat: -1, StopTimeout: -time.Second},
			{Name: "twice", Run: idle},
			{Name: "permanent", Run: idle, Significant: true},
			{Name: "twice", Run: idle},
			{Name: "tab\t", Run: idle},
			{Name: "bad\xff", Run: idle},
		},
	}.Validate()
	require.Equal(t, []string{
		`/a/b: Name: has a slash: "a/b"`,
		`/a/b: Strategy: unknown: 9`,
		`/a/b: Intensity: negative number of restarts: -1`,
		`/a/b: AutoShutdown: unknown: 9`,
		`/a/b: MaxChildren: negative: -1`,
		`/a/b: StopTimeout: negative: -1s`,
		`/a/b/[0]: Name: empty`,
		`/a/b/[0]: Run: nil`,
		`/a/b/x/y: Name: has a slash: "x/y"`,
		`/a/b/x/y: Restart: unknown: 9`,
		`/a/b/x/y: StopTimeout: negative: -1s`,
		`/a/b/x/y: StartTimeout: negative: -1ns`,
		`/a/b/x/y: ResetAfter: negative: -1ns`,
		`/a/b/x/y: Heartbeat: negative: -1ns`,
		`/a/b/permanent: Significant: a permanent child cannot be significant: it is always restarted`,
		`/a/b/twice: Name: already in use by another child`,
		`/a/b/tab\t: Name: has a control character: "tab\t"`,
		`/a/b/bad\xff: Name: not UTF-8: "bad\xff"`,
	}, faults(err))
	var fault *child.SpecError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, child.SpecError{Path: "/a/b", Field: "Name", Problem: `has a slash: "a/b"`}, *fault)
}

func TestSpecsThatAreValidEachButNotTogether(t *testing.T) {
	for text, spec := range map[string]supervisor.Spec{
		"/root/a: Significant: the supervisor's AutoShutdown is Never; set it to AnySignificant or AllSignificant": {
			Children: []child.Spec{{Name: "a", Run: idle, Restart: child.Transient, Significant: true}},
		},
		"/root: Children: 2, but MaxChildren is 1": {
			MaxChildren: 1, Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}},
		},
		"/root: Intensity: period is not positive: 0s": {Intensity: strategy.AtMost(1, 0)},
		"/root: Intensity: counts only restarts without a backoff, but Backoff gives every child one; use Backoff.Retries instead": {
			Intensity: strategy.AtMost(strategy.DefaultRestarts, strategy.DefaultPeriod), Backoff: child.Constant(time.Second),
		},
	} {
		require.EqualError(t, spec.Validate(), text)
	}
	for _, spec := range []supervisor.Spec{
		{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{{Name: "a", Run: idle, Restart: child.Transient, Significant: true}}},
		{MaxChildren: 1, Children: []child.Spec{{Name: "a", Run: idle}}},
		{StopTimeout: child.Forever, Intensity: strategy.Unlimited()},
		{Intensity: strategy.Unlimited(), Backoff: child.Constant(time.Second)},
		{Intensity: strategy.AtMost(1, time.Second), Children: []child.Spec{{Name: "a", Run: idle, Backoff: child.Constant(time.Second)}}},
		{Children: []child.Spec{{Name: "a b: ü", Run: idle, StopTimeout: child.AtOnce}}},
	} {
		require.NoError(t, spec.Validate())
	}
}

func TestAFaultOfTheSpecIsTheErrorOfEveryStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ran := false
		spec := supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error { ran = true; return idle(ctx) }}, {Name: "b"},
		}}
		sup := supervisor.New(spec)
		for _, err := range []error{
			sup.Serve(t.Context()), sup.Start(t.Context()), sup.Run(child.FromContext(t.Context())),
			sup.StartChild(t.Context(), child.Spec{Name: "c", Run: idle}),
		} {
			require.EqualError(t, err, "/root/b: Run: nil")
		}
		require.False(t, ran)

		// Below another, the path is the one in the tree.
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "jobs", Run: sup.Run}}})
		err := root.Start(t.Context())
		var fault *child.SpecError
		require.ErrorAs(t, err, &fault)
		require.Equal(t, "/shop/jobs/b", fault.Path)
		require.EqualError(t, err, "/shop/jobs: /shop/jobs/b: Run: nil")
		require.False(t, ran)
	})
}

func TestStartChildReportsTheFaultsOfAllItsSpecs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		err := sup.StartChild(t.Context(),
			child.Spec{Name: "b", Run: idle}, child.Spec{Name: "c"}, child.Spec{Name: "b", Run: idle},
			child.Spec{Name: "d", Run: idle, Restart: child.Temporary, Significant: true})
		require.Equal(t, []string{
			"/root/c: Run: nil",
			"/root/b: Name: already in use by another child",
			"/root/d: Significant: the supervisor's AutoShutdown is Never; set it to AnySignificant or AllSignificant",
		}, faults(err))
		require.Len(t, sup.Children(), 1, "none was started")
		require.True(t, errors.As(err, new(*child.SpecError)))
	})
}

package child_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
)

var idle = testkit.Idle

// faults returns the errors that errors.Join has joined in err.
func faults(t *testing.T, err error) []child.SpecError {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%T is not from errors.Join", err)
	var all []child.SpecError
	for _, err := range joined.Unwrap() {
		var fault *child.SpecError
		require.ErrorAs(t, err, &fault)
		all = append(all, *fault)
	}
	return all
}

func TestValidateNamesTheFaultOfAField(t *testing.T) {
	for _, c := range []struct {
		name           string
		change         func(*child.Spec)
		field, problem string // empty: legal
	}{
		{"plain", func(s *child.Spec) {}, "", ""},

		{"no name", func(s *child.Spec) { s.Name = "" }, "Name", "empty"},
		{"name with a slash", func(s *child.Spec) { s.Name = "a/b" }, "Name", `has a slash: "a/b"`},
		{"name with a newline", func(s *child.Spec) { s.Name = "a\nb" }, "Name", `has a control character: "a\nb"`},
		{"name with a NUL", func(s *child.Spec) { s.Name = "a\x00" }, "Name", `has a control character: "a\x00"`},
		{"name with an escape", func(s *child.Spec) { s.Name = "\x1b[31m" }, "Name", `has a control character: "\x1b[31m"`},
		{"name with a DEL", func(s *child.Spec) { s.Name = "a\x7f" }, "Name", `has a control character: "a\x7f"`},
		{"name with a C1 control", func(s *child.Spec) { s.Name = "a\u0085" }, "Name", `has a control character: "a\u0085"`},
		{"name with both", func(s *child.Spec) { s.Name = "/\t" }, "Name", `has a slash: "/\t"`},
		{"name with a space, a dot, an umlaut", func(s *child.Spec) { s.Name = "die größte v1.2" }, "", ""},

		{"no run", func(s *child.Spec) { s.Run = nil }, "Run", "nil"},
		{"plain of nil", func(s *child.Spec) { s.Run = child.Plain(nil) }, "Run", "nil"},
		{"task of nil", func(s *child.Spec) { s.Run = child.Task(nil) }, "Run", "nil"},

		{"transient", func(s *child.Spec) { s.Restart = child.Transient }, "", ""},
		{"temporary", func(s *child.Spec) { s.Restart = child.Temporary }, "", ""},
		{"unknown restart", func(s *child.Spec) { s.Restart = child.Temporary + 1 }, "Restart", "unknown: 3"},

		{"significant transient", func(s *child.Spec) { s.Significant, s.Restart = true, child.Transient }, "", ""},
		{"significant temporary", func(s *child.Spec) { s.Significant, s.Restart = true, child.Temporary }, "", ""},
		{"significant permanent", func(s *child.Spec) { s.Significant = true },
			"Significant", "a permanent child cannot be significant: it is always restarted"},

		{"start timeout", func(s *child.Spec) { s.StartTimeout = time.Second }, "", ""},
		{"start timeout forever", func(s *child.Spec) { s.StartTimeout = child.Forever }, "", ""},
		{"start timeout of AtOnce", func(s *child.Spec) { s.StartTimeout = child.AtOnce }, "StartTimeout", "negative: -1ns"},
		{"start timeout negative", func(s *child.Spec) { s.StartTimeout = -time.Second }, "StartTimeout", "negative: -1s"},

		{"stop timeout", func(s *child.Spec) { s.StopTimeout = time.Second }, "", ""},
		{"stop timeout forever", func(s *child.Spec) { s.StopTimeout = child.Forever }, "", ""},
		{"stop timeout at once", func(s *child.Spec) { s.StopTimeout = child.AtOnce }, "", ""},
		{"stop timeout negative", func(s *child.Spec) { s.StopTimeout = -2 }, "StopTimeout", "negative: -2ns"},
		{"stop timeout most negative", func(s *child.Spec) { s.StopTimeout = math.MinInt64 },
			"StopTimeout", "negative: -2562047h47m16.854775808s"},

		{"reset after", func(s *child.Spec) { s.ResetAfter = time.Second }, "", ""},
		{"reset after forever", func(s *child.Spec) { s.ResetAfter = child.Forever }, "", ""},
		{"reset after negative", func(s *child.Spec) { s.ResetAfter = -1 }, "ResetAfter", "negative: -1ns"},

		{"heartbeat", func(s *child.Spec) { s.Heartbeat = time.Second }, "", ""},
		{"heartbeat negative", func(s *child.Spec) { s.Heartbeat = -time.Minute }, "Heartbeat", "negative: -1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := child.Spec{Name: "api", Run: idle}
			c.change(&spec)
			var want []child.SpecError
			if c.field != "" {
				want = []child.SpecError{{Path: spec.Name, Field: c.field, Problem: c.problem}}
			}
			require.Equal(t, want, faults(t, spec.Validate()))
		})
	}
}

func TestValidateReportsAllProblemsTogether(t *testing.T) {
	err := child.Spec{
		Name:         "a/b",
		Significant:  true,
		StartTimeout: -1,
		StopTimeout:  -2,
		ResetAfter:   -3,
		Heartbeat:    -4,
	}.Validate()

	var first *child.SpecError
	require.ErrorAs(t, err, &first)
	require.Equal(t, "Name", first.Field)

	var fields []string
	for _, fault := range faults(t, err) {
		require.Equal(t, "a/b", fault.Path)
		fields = append(fields, fault.Field)
	}
	require.ElementsMatch(t, []string{"Name", "Run", "Significant", "StopTimeout", "StartTimeout", "ResetAfter", "Heartbeat"}, fields)
	require.Len(t, strings.Split(err.Error(), "\n"), len(fields), "one line per problem")
}

func TestValidateOfAZeroSpec(t *testing.T) {
	require.Equal(t, []child.SpecError{
		{Field: "Name", Problem: "empty"},
		{Field: "Run", Problem: "nil"},
	}, faults(t, child.Spec{}.Validate()))
}

func TestSpecErrorText(t *testing.T) {
	err := &child.SpecError{Path: "/shop/api", Field: "StopTimeout", Problem: "negative: -2ns"}
	require.EqualError(t, err, "/shop/api: StopTimeout: negative: -2ns")
	require.EqualError(t, &child.SpecError{Path: "a\nb", Field: "Name", Problem: "\x1b\u202e\xff"}, `a\nb: Name: \x1b\u202e\xff`)
	err = nil
	require.EqualError(t, err, "nil *child.SpecError")
}

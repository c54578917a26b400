package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// crashEnv says which program a second process of this test binary must run.
const crashEnv = "COPPICE_TEST_CRASH"

// fatal are the programs that a panic must crash.
var fatal = map[string]func(){
	"ready": func() {
		serve(supervisor.Spec{PassPanics: true, Children: []child.Spec{{Name: "a", Run: child.Plain(panics)}}})
	},
	"starting": func() {
		serve(supervisor.Spec{PassPanics: true, Children: []child.Spec{{Name: "a", Run: child.Task(panics)}}})
	},
	"stopping": func() {
		serve(supervisor.Spec{PassPanics: true, AutoShutdown: strategy.AnySignificant, Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				<-ctx.Done()
				return panics(ctx)
			}},
			{Name: "b", Run: child.Task(func(context.Context) error { return nil }), Restart: child.Transient, Significant: true},
		}})
	},
	"in a Goexit": func() {
		serve(supervisor.Spec{PassPanics: true, Children: []child.Spec{{Name: "a", Run: child.Plain(func(ctx context.Context) error {
			defer func() { _ = panics(ctx) }()
			return goexit()
		})}}})
	},
	"nested": func() {
		serve(supervisor.Spec{PassPanics: true, Children: []child.Spec{nest(child.Spec{Name: "a", Run: child.Plain(panics)}, 2)}})
	},
	"only the nested one": func() {
		inner := supervisor.New(supervisor.Spec{PassPanics: true, Children: []child.Spec{{Name: "a", Run: child.Plain(panics)}}})
		serve(supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
	},
}

func panics(context.Context) error { panic("the disk is on fire") }

// serve writes the events to the standard output.
func serve(spec supervisor.Spec) {
	spec.Logger = slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range spec.Children {
		spec.Children[i].Decide = func(err error) error {
			fmt.Println("decided:", err)
			return err
		}
	}
	fmt.Println("served:", supervisor.New(spec).Serve(context.Background()))
}

// A second process of this test binary runs one of those programs.
func init() {
	if program, ok := fatal[os.Getenv(crashEnv)]; ok {
		program()
		os.Exit(0)
	}
}

func TestPassPanicsLetsThePanicCrashTheProcessAtOnce(t *testing.T) {
	for name := range fatal {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { goleak.VerifyNone(t) })
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), crashEnv+"="+name)
			var output, crash strings.Builder
			cmd.Stdout, cmd.Stderr = &output, &crash
			err := cmd.Run()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 2, exit.ExitCode())
			require.True(t, strings.HasPrefix(crash.String(), "panic: the disk is on fire\n"), "%s", &crash)
			require.Contains(t, crash.String(), "supervisor_test.panics(")
			require.NotContains(t, crash.String(), "recovered")
			// There is no event of a failure or of a restart.
			for _, word := range []string{"served", "Goexit", "failed", "restarting"} {
				require.NotContains(t, output.String(), word)
			}
		})
	}
}

func TestPassPanicsLeavesGoexitAFailure(t *testing.T) {
	for _, depth := range []int{0, 1} {
		bubble(t, func(t *testing.T) {
			p := newPuppet()
			sup := start(t, supervisor.Spec{PassPanics: true, Children: []child.Spec{nest(child.Spec{Name: "a", Run: p.Run}, depth)}})
			recorded := record(t, sup)
			p.endBy(goexit)
			a := "a"
			if depth > 0 {
				a = "s/a"
			}
			require.Equal(t, []string{"failed " + a, "restarting " + a, "starting " + a, "ready " + a}, recorded.lines())
			st, _ := sup.Lookup(a)
			require.Same(t, child.ErrGoexit, st.LastError)
			require.Equal(t, child.Running, st.State)
		})
	}
}

// A Goexit that replaces a panic counts as a Goexit.
func TestPassPanicsLeavesAGoexitInThePanicAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{PassPanics: true, Children: []child.Spec{{Name: "a", Run: p.Run}}})
		p.endBy(func() error {
			defer func() { _ = goexit() }()
			return explode()
		})
		st, _ := sup.Lookup("a")
		require.Same(t, child.ErrGoexit, st.LastError)
		require.Equal(t, child.Running, st.State)
	})
}

func TestPassPanicsChangesNothingElse(t *testing.T) {
	for _, end := range []error{nil, errBoom} {
		bubble(t, func(t *testing.T) {
			p := newPuppet()
			sup := start(t, supervisor.Spec{PassPanics: true, Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "a", Run: p.Run}}})
			for range 3 {
				p.end(end)
			}
			st, _ := sup.Lookup("a")
			require.Equal(t, child.Running, st.State)
			require.Equal(t, 3, st.Restarts)
		})
	}
}

// The supervisor above the one that passes panics contains those of its own children.
func TestPassPanicsHoldsForTheSubtreeOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{PassPanics: true, Children: []child.Spec{{Name: "leaf", Run: newPuppet().Run}}})
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}, {Name: "a", Run: p.Run}}})
		p.endBy(explode)
		st, _ := sup.Lookup("a")
		require.EqualError(t, st.LastError, "panic: boom")
		require.Equal(t, child.Running, st.State)
	})
}

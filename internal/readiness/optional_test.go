package readiness_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/readiness"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func texts(errs []error) (all []string) {
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func TestOptionalChildrenAndThoseBelowThemDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: testkit.Idle}, {Name: "mailer", Run: testkit.Idle}}})
		root := testkit.Root(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "api", Run: testkit.Idle}, {Name: "jobs", Run: jobs.Run}}})
		require.NoError(t, root.Start(t.Context()))
		counts, optional := readiness.NewOptional([]string{"api"}).Split(root)
		require.Empty(t, counts)
		require.Empty(t, optional)

		require.NoError(t, root.StopChild(t.Context(), "api"))
		require.NoError(t, jobs.StopChild(t.Context(), "mail"))
		require.NoError(t, jobs.StopChild(t.Context(), "mailer"))
		api, mail, mailer := "/shop/api: not ready: stopped", "/shop/jobs/mail: not ready: stopped", "/shop/jobs/mailer: not ready: stopped"
		for _, c := range []struct{ paths, counts, optional []string }{
			{nil, []string{api, mail, mailer}, nil},
			{[]string{"", "/", "//", "/api", "shop", "ap"}, []string{api, mail, mailer}, nil},
			{[]string{"api"}, []string{mail, mailer}, []string{api}},
			{[]string{"/shop/api/"}, []string{mail, mailer}, []string{api}},
			{[]string{"jobs/mail"}, []string{api, mailer}, []string{mail}},
			{[]string{"jobs"}, []string{api}, []string{mail, mailer}},
			{[]string{"/shop"}, nil, []string{api, mail, mailer}},
			{[]string{"/shop/jobs", "api"}, nil, []string{api, mail, mailer}},
		} {
			counts, optional := readiness.NewOptional(c.paths).Split(root)
			require.Equal(t, c.counts, texts(counts), "%q", c.paths)
			require.Equal(t, c.optional, texts(optional), "%q", c.paths)
		}
	})
}

func TestRootThatStopsCountsAlsoIfOnlyOptionalChildrenAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := testkit.Root(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "api", Run: (&supervisortest.Child{StopAfter: time.Second}).Run},
		}})
		require.NoError(t, root.Start(t.Context()))
		go func() { _ = root.Stop(context.Background()) }()
		synctest.Wait()
		counts, optional := readiness.NewOptional([]string{"api"}).Split(root)
		require.Equal(t, []string{"/shop: not ready: stopping"}, texts(counts))
		require.Equal(t, []string{"/shop/api: not ready: stopping"}, texts(optional))
	})
}

package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Package child/gate relies on these: within one run of its child, a supervisor is run,
// stopped by a context derived from that of the run, and run again.

// A repeated is a child that runs a supervisor again and again within one run. The test
// ends each life by its cancel, and receives the error.
type repeated struct {
	runs   int
	sup    *supervisor.Supervisor
	cancel chan context.CancelCauseFunc
	ended  chan error
}

func (r *repeated) Run(ctx child.Context) error {
	r.runs++
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		held, cancel := context.WithCancelCause(ctx)
		select {
		case r.cancel <- cancel:
		case <-ctx.Done():
			cancel(nil)
			return nil
		}
		err := r.sup.Run(child.FromContext(held))
		cancel(nil)
		if ctx.Err() != nil {
			return err
		}
		r.ended <- err
	}
}

// repeat starts a root shop with a child lead, which runs sup again and again.
func repeat(t *testing.T, sup *supervisor.Supervisor) (*repeated, *supervisor.Supervisor) {
	r := &repeated{sup: sup, cancel: make(chan context.CancelCauseFunc), ended: make(chan error)}
	return r, startLoosely(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "lead", Run: r.Run}}})
}

func TestASupervisorRunsAgainWithinOneRunAndTheCauseReachesTheLastGrandchild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		causes := make(chan error, 1)
		mail := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil
		}
		jobs := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: mail}}})
		lead := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
		r, shop := repeat(t, lead)
		errFirst, errSecond := errors.New("first"), errors.New("second")
		for _, why := range []error{errFirst, errSecond} {
			cancel := <-r.cancel
			synctest.Wait()
			require.NoError(t, shop.Health())
			require.Equal(t, child.Running, state(t, shop, "lead/jobs/mail"))
			cancel(why)
			cause := <-causes
			require.ErrorIs(t, cause, why)
			require.ErrorIs(t, cause, child.ErrStopped)
			require.NotErrorIs(t, cause, map[error]error{errFirst: errSecond, errSecond: errFirst}[why])
			require.NoError(t, <-r.ended)
		}
		<-r.cancel
		synctest.Wait()
		st, _ := shop.Lookup("lead")
		require.Zero(t, st.Restarts)
		require.Equal(t, 1, r.runs)
		require.NoError(t, shop.Stop(t.Context()))
		require.ErrorIs(t, <-causes, child.ErrStopped)
	})
}

func TestTheErrorOfTheSecondLifeInOneRunNamesNoneOfTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		life := 0
		late := func(ctx child.Context) error {
			first := life == 1
			err := ctx.Ready()
			<-ctx.Done()
			if first {
				<-free
			}
			return err
		}
		unclean := func(ctx child.Context) error {
			life++
			first := life == 1
			err := ctx.Ready()
			<-ctx.Done()
			if first {
				return errBoom
			}
			return err
		}
		jobs := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "unclean", Run: unclean},
			{Name: "late", Run: late, StopTimeout: time.Second},
		}})
		r, shop := repeat(t, newRoot(supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}}))
		for i := range 3 {
			cancel := <-r.cancel
			synctest.Wait()
			cancel(errBoom)
			err := <-r.ended
			if i > 0 {
				require.NoError(t, err)
				continue
			}
			var stop *supervisor.StopError
			require.ErrorAs(t, err, &stop)
			require.Len(t, stop.Abandoned, 1)
			require.Equal(t, "/shop/lead/jobs/late", stop.Abandoned[0].Path)
			require.Len(t, stop.Unclean, 1)
			require.Equal(t, "/shop/lead/jobs/unclean", stop.Unclean[0].Path)
		}
		close(free)
		synctest.Wait()
		require.NoError(t, shop.Stop(t.Context()), "each run of the first life has returned, and its error was reported")
	})
}

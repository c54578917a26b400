package sdnotify

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestReloadsThatOverlapAreOneForTheManager(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: slow(0, second)}}}, 0)
		reload := func() func() {
			s := systemd.service
			if !s.beginReload() {
				return nil
			}
			return s.endReload
		}
		require.Nil(t, reload(), "it is not up")
		serve(t, root)
		systemd.take()
		one := reload()
		two := reload()
		one()
		requireLines(t, systemd.take(reloadingLine, readyLine), reloadingLine, reloadingLine)
		two()
		requireLines(t, systemd.take(reloadingLine, readyLine), readyLine)

		three := reload()
		systemd.setFail(true)
		three() // it is sent later
		systemd.setFail(false)
		time.Sleep(statusEvery)
		requireLines(t, systemd.take(reloadingLine, readyLine), reloadingLine, readyLine)

		four := reload()
		go func() { _ = root.Stop(context.Background()) }()
		requireLines(t, systemd.take(reloadingLine, stoppingLine), reloadingLine, stoppingLine)
		four()
		require.Nil(t, reload(), "it stops")
		requireLines(t, systemd.take(reloadingLine, readyLine))
	})
}

func TestApplyIsAReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		specs := func(version string, stop time.Duration) []child.Spec {
			return []child.Spec{{Name: "a", Version: version, Run: slow(second, stop)}}
		}
		inner := supervisor.New(supervisor.Spec{Children: specs("1", 0)})
		root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Version: "1", Run: inner.Run}, specs("1", 0)[0]}}, 0)
		serve(t, root)
		time.Sleep(3 * second)
		systemd.take()

		var ends []chan error
		for _, sup := range []*supervisor.Supervisor{root, inner} {
			want, end := sup.Spec(), make(chan error, 1)
			want.Children[len(want.Children)-1].Version = "2"
			go func() { _, err := sup.Apply(t.Context(), want); end <- err }()
			ends = append(ends, end)
		}
		requireLines(t, systemd.take(reloadingLine, readyLine), reloadingLine, reloadingLine)
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		requireLines(t, systemd.take(reloadingLine, readyLine), readyLine)
		_, err := inner.Apply(t.Context(), inner.Spec())
		require.NoError(t, err)
		requireLines(t, systemd.take(reloadingLine, readyLine)) // nothing has changed

		go func() { _, _ = inner.Apply(context.Background(), supervisor.Spec{Children: specs("3", 0)}) }()
		requireLines(t, systemd.take(reloadingLine, readyLine), reloadingLine)
		require.NoError(t, root.RestartChild(t.Context(), "inner")) // its end ends the Apply
		requireLines(t, systemd.take(reloadingLine, readyLine), readyLine)
	})
}

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

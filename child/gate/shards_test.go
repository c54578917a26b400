package gate_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/supervisor"
)

func TestAloneRunsAllShards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		feeds := gate.NewShards(gate.ShardsSpec{Name: "/shop/feeds", N: 64, Elector: gate.Alone(),
			Run: func(int) func(child.Context) error { return idle }})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
		require.NoError(t, root.Start(t.Context()))
		after(0)
		require.Len(t, feeds.Held(), 64)
		require.True(t, slices.IsSorted(feeds.Held()))
		st, _ := root.Lookup("/shop/feeds")
		require.Equal(t, "64 of 64 shards, 1 member", st.Text)
		_, ok := root.Lookup("/shop/feeds/shards/17")
		require.True(t, ok)
		where, err := feeds.Where(t.Context())
		require.NoError(t, err)
		require.Len(t, where, 64)
		fmt.Println(where[17], root.Health())
		time.Sleep(time.Second)
		require.NoError(t, root.Stop(context.Background()))
		require.Empty(t, feeds.Held())
	})
}

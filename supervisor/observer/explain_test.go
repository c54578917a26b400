package observer_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestExplainRefusesWhatItDoesNotKnow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "a", Run: idle}}})
		require.NoError(t, root.Start(t.Context()))
		o := observe(t, root, observer.Spec{})
		for target, status := range map[string]int{
			"/explain.json": 200, "/explain.json?path=a": 200, "/explain.txt?path=/shop/a": 200, "/explain.json?path=/shop": 200,
			"/explain.json?path=b": 404, "/explain.txt?path=/other": 404,
			"/explain.json?grace=x": 400, "/explain.json?grace=-1s": 400,
		} {
			require.Equal(t, status, do(o, local(http.MethodGet, target, "")).Code, target)
		}
		require.NoError(t, root.Stop(context.Background()))
	})
}

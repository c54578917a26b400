package supervisor_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// A tree shows what each child needs and comes after.
func TestGraphTreeShowsEdges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := graphOf(
			child.Spec{Name: "db", Run: idle},
			child.Spec{Name: "cache", Run: idle},
			child.Spec{Name: "api", Run: idle, Needs: []string{"db"}, After: []string{"cache"}},
		)
		all := child.Spec{Name: "edge", Run: idle, Restart: child.Transient}
		for i := range 25 {
			name := fmt.Sprint("n", i)
			spec.Children = append(spec.Children, child.Spec{Name: name, Run: idle})
			all.Needs = append(all.Needs, name)
		}
		spec.Children = append(spec.Children, all)
		sup := start(t, spec)
		tree := sup.Tree()
		require.Equal(t, []string{"db"}, tree.Children[2].Needs)
		require.Equal(t, []string{"cache"}, tree.Children[2].After)
		require.Nil(t, tree.Children[0].Needs)
		text := tree.String()
		require.Contains(t, text, "├─ api        running   needs db, after cache\n")
		require.Contains(t, text, "└─ edge       running   transient, needs n0 n1 n2 n3 n4 and 20 more\n")
		require.NotContains(t, text, "n24")

		var decoded struct {
			Children []struct{ Needs, After []string }
		}
		raw, err := json.Marshal(tree)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &decoded))
		require.Equal(t, []string{"db"}, decoded.Children[2].Needs)
		require.Equal(t, []string{"cache"}, decoded.Children[2].After)
		require.Equal(t, all.Needs, decoded.Children[28].Needs)
		require.Equal(t, 2, strings.Count(string(raw), `"needs":`), "only where there are any")
	})
}

// A tree that is taken into the room of an earlier one has the edges of now.
func TestGraphTreeAfterChangesOfEdges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, inARow())
		require.NoError(t, sup.Upgrade(graphOf(
			child.Spec{Name: "db", Run: idle}, child.Spec{Name: "api", Run: idle}, child.Spec{Name: "edge", Run: idle, After: []string{"api"}},
		)))
		for _, c := range sup.Tree().Children {
			require.Empty(t, c.Needs, c.Name)
		}
		require.Equal(t, []string{"api"}, sup.Tree().Children[2].After)
	})
}

package picture_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/picture"
)

func edges(text string) map[picture.Edge]bool {
	return picture.Arrows(strings.Split(text, "\n"), []string{"Ab", "Cd", "Ef"})
}

func TestArrowsInAllDirections(t *testing.T) {
	require.Equal(t, map[picture.Edge]bool{{From: "Ab", To: "Cd"}: true}, edges("   over\nAb -----> Cd"))
	require.Equal(t, map[picture.Edge]bool{{From: "Cd", To: "Ab"}: true}, edges("Ab <--- Cd"))
	require.Equal(t, map[picture.Edge]bool{{From: "Cd", To: "Ab"}: true, {From: "Ab", To: "Ef"}: true}, edges(`
Ab
^|
|| never
|v
|Ef
+--- Cd`))
}

func TestAnArrowWithSeveralEndsLeadsFromEachTailToEachHead(t *testing.T) {
	require.Equal(t, map[picture.Edge]bool{{From: "Ab", To: "Ef"}: true, {From: "Cd", To: "Ef"}: true}, edges(`
Ab      Cd
 |      |
 +--+---+
    v
    Ef`))
}

func TestTextWithoutArrows(t *testing.T) {
	require.Empty(t, edges("Ab   Cd\nvia - Ef"))
	require.Empty(t, edges("Abc --> Cdx"))
}

func TestRowsAndBlocks(t *testing.T) {
	blocks := picture.Blocks("text\n\n\ta  b\n\tone  two words\n\nmore\n\tx\n")
	require.Len(t, blocks, 2)
	head, rows := picture.Rows(blocks[0])
	require.Equal(t, []string{"a", "b"}, head)
	require.Equal(t, [][]string{{"one", "two words"}}, rows)
}

func TestDocOfAType(t *testing.T) {
	_, err := picture.Doc("picture.go", "Missing")
	require.EqualError(t, err, "no type Missing in picture.go")
	doc, err := picture.Doc("picture.go", "Edge")
	require.NoError(t, err)
	require.Contains(t, doc, "arrow")
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func someSources(n int) []source {
	var out []source
	for i := range n {
		out = append(out, source{Path: fmt.Sprintf("dir/f%d.go", i), Idents: map[string]int{"main": 1, fmt.Sprintf("f%d", i): i + 1}})
	}
	return out
}

// written writes a journal of the sources and returns its bytes and the offset at which each record ends.
func written(t *testing.T, sources []source) (data []byte, ends []int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path, "root")
	require.NoError(t, err)
	ends = []int{len(title("root"))}
	for _, s := range sources {
		require.NoError(t, j.record([]source{s}))
		info, err := j.file.Stat()
		require.NoError(t, err)
		ends = append(ends, int(info.Size()))
	}
	require.NoError(t, j.close())
	data, err = os.ReadFile(path)
	require.NoError(t, err)
	return data, ends
}

// The file may end anywhere. Complete records are kept, the rest is cut off, and recording it again gives the same file as
// without a crash.
func TestJournalRecoversFromEveryTornPrefix(t *testing.T) {
	sources := someSources(4)
	data, ends := written(t, sources)
	for size := 0; size <= len(data); size++ {
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, data[:size], 0o600))
		j, err := openJournal(path, "root")
		require.NoError(t, err, "cut at %d", size)

		whole, end := -1, 0 // complete records before the cut; -1 if even the first line is torn
		for i, e := range ends {
			if e <= size {
				whole, end = i, e
			}
		}
		require.Equal(t, max(whole, 0), j.index.stats().Files, "cut at %d", size)
		require.EqualValues(t, size-end, j.cut, "cut at %d", size)

		require.NoError(t, j.record(sources))
		require.NoError(t, j.close())
		again, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again), "cut at %d", size)
	}
}

// A flipped bit anywhere in a record is detected and ends the journal before that record.
func TestJournalCutsOffDamage(t *testing.T) {
	data, ends := written(t, someSources(3))
	for at := ends[1]; at < ends[2]; at++ {
		bad := []byte(string(data))
		bad[at] ^= 0x10
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		j, err := openJournal(path, "root")
		require.NoError(t, err)
		require.Equal(t, 1, j.index.stats().Files, "damaged at %d", at)
		require.EqualValues(t, len(data)-ends[1], j.cut, "damaged at %d", at)
		require.NoError(t, j.close())
	}
}

// Some file systems leave zeros at the end of a file after a crash; eight of them look like an empty record.
func TestJournalCutsOffZeros(t *testing.T) {
	data, _ := written(t, someSources(1))
	path := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, os.WriteFile(path, append(data, make([]byte, 100)...), 0o600))
	j, err := openJournal(path, "root")
	require.NoError(t, err)
	require.Equal(t, 1, j.index.stats().Files)
	require.EqualValues(t, 100, j.cut)
	require.NoError(t, j.close())
}

func TestJournalRecordsAFileOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	sources := someSources(3)
	for range 2 { // in two runs
		j, err := openJournal(path, "root")
		require.NoError(t, err)
		require.NoError(t, j.record(sources[:2]))
		require.NoError(t, j.record(sources))
		require.NoError(t, j.close())
	}
	faults := newFaults()
	ix, err := reread(path, "root", faults.add)
	require.NoError(t, err)
	require.NoError(t, faults.err())
	require.Equal(t, 3, ix.stats().Files)
}

// A file that is not a journal, or is that of another tree, is not modified.
func TestJournalDoesNotModifyForeignFiles(t *testing.T) {
	for _, content := range []string{"package main\n", string(title("elsewhere")), "c0desearch"} {
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := openJournal(path, "root")
		require.ErrorIs(t, err, errForeign)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(after))
	}
}

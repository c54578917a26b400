package observer

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// labeled runs n goroutines with the label of a path until the test ends.
func labeled(t *testing.T, path string, n int) {
	t.Helper()
	done, started, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	pprof.Do(context.Background(), pprof.Labels(labelKey, path, "other", "x"), func(context.Context) {
		for range n {
			go waitHere(done, started, ended)
			<-started
		}
	})
	t.Cleanup(func() {
		close(done)
		for range n {
			<-ended
		}
	})
}

//go:noinline
func waitHere(done, started, ended chan struct{}) {
	started <- struct{}{}
	<-done
	ended <- struct{}{}
}

func snapshotProfile(t testing.TB) []byte {
	var packed bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&packed, 0))
	return packed.Bytes()
}

func TestTheProfileHasStacksByLabel(t *testing.T) {
	labeled(t, "/shop/a", 3)
	labeled(t, "/shop/b", 2)
	p, err := parseProfile(snapshotProfile(t))
	require.NoError(t, err)
	found := map[string]int64{}
	for i := range p.samples {
		if s := &p.samples[i]; s.label != "" {
			found[s.label] += s.count
			stack := p.stack(s, 1<<20)
			require.Contains(t, stack, "observer.waitHere\n\t")
			require.Contains(t, stack, "profile_test.go:")
			require.Less(t, strings.Index(stack, "runtime.gopark"), strings.Index(stack, "waitHere"), "innermost first")
			require.LessOrEqual(t, len(p.stack(s, 100)), 100)
		}
	}
	require.Equal(t, map[string]int64{"/shop/a": 3, "/shop/b": 2}, found)
}

func TestABrokenProfileIsAnError(t *testing.T) {
	_, err := parseProfile([]byte("no gzip"))
	require.Error(t, err)
	packed := snapshotProfile(t)
	_, err = parseProfile(packed[:len(packed)/2])
	require.Error(t, err)
	for _, text := range []string{"\x80", "\x0a\x05a", "\x09abc", "\x0d", "\x0b", "\x12\x02\x0a\x7f", "\x12\x04\x0a\x02\x80\x80"} {
		_, err := decodeProfile([]byte(text))
		require.ErrorIs(t, err, errProfile, "%q", text)
	}
	p, err := decodeProfile([]byte("\x12\x06\x1a\x04\x08\x63\x10\x63"))
	require.NoError(t, err, "strings that are not in the table")
	require.Empty(t, p.samples[0].label)
}

func FuzzProfile(f *testing.F) {
	z, err := gzip.NewReader(bytes.NewReader(snapshotProfile(f)))
	require.NoError(f, err)
	text, err := io.ReadAll(z)
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte("\x12\x06\x1a\x04\x08\x63\x10\x63"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := decodeProfile(text)
		if err != nil {
			return
		}
		for i := range p.samples {
			require.LessOrEqual(t, len(p.stack(&p.samples[i], 1000)), 1000)
		}
	})
}

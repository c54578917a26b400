package process

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// A said is a context that keeps the last status text.
type said struct {
	child.Context
	text string
}

func (s *said) Status(text string) { s.text = text }

func TestStatusTextOfAProgram(t *testing.T) {
	ctx := &said{Context: child.FromContext(context.Background())}
	s := status{ctx: ctx, host: &host{pid: 42, program: "re\x1bdis"}}
	s.publish()
	require.Equal(t, `pid 42 re\x1bdis`, ctx.text)
	now := time.Now()
	s.note(usage{memory: 12_400_000, cpu: time.Hour}, now)
	require.Equal(t, `pid 42 re\x1bdis, 12 MB`, ctx.text)
	s.say("it serves")
	s.note(usage{memory: 1_499_600_000, cpu: time.Hour + 3*time.Second}, now.Add(2*time.Second))
	require.Equal(t, `pid 42 re\x1bdis, 1500 MB, CPU 150 %: it serves`, ctx.text)
	s.note(usage{cpu: time.Hour + 3*time.Second}, now.Add(2*time.Second)) // no time has passed
	require.Equal(t, `pid 42 re\x1bdis, 0 MB: it serves`, ctx.text)
}

func TestNothingIsMeasuredOnceTheProgramMayBeReaped(t *testing.T) {
	h := &host{pid: os.Getpid(), reaped: true}
	_, ok := h.usage()
	require.False(t, ok)
}

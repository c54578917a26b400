package badline_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/internal/badline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back what it receives. It returns its address.
func echo(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	return ln.Addr().String()
}

func TestAProxyPassesWhatIsSentUnlessTheLineIsCut(t *testing.T) {
	target := echo(t)
	var l badline.Line
	p, err := l.Listen(func() string { return target })
	require.NoError(t, err)
	defer p.Close()
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	from := bufio.NewReader(c)
	say := func(text string) { fmt.Fprintln(c, text) }
	heard := func() string {
		line, _ := from.ReadString('\n')
		return line
	}
	say("one")
	require.Equal(t, "one\n", heard())

	l.Cut(true)
	say("two")
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = from.ReadByte()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "it stays open, and nothing passes")
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	l.Cut(false)
	require.Equal(t, "two\n", heard())

	p.Drop()
	require.Empty(t, heard())
	again, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer again.Close()
	fmt.Fprintln(again, "three")
	line, err := bufio.NewReader(again).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "three\n", line)
}

func TestCloseEndsWhatWaitsForACutLine(t *testing.T) {
	target := echo(t)
	var l badline.Line
	p, err := l.Listen(func() string { return target })
	require.NoError(t, err)
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprintln(c, "one")
	_, err = bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	l.Cut(true)
	fmt.Fprintln(c, "two")
	p.Close()
	p.Close()
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = net.Dial("tcp", p.Addr())
	require.Error(t, err)
}

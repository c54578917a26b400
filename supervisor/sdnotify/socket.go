package sdnotify

import (
	"fmt"
	"net"
	"time"

	"github.com/coppice-go/coppice/internal/vitals"
)

// writeTimeout is how long a message may take. systemd reads at once.
const writeTimeout = time.Second

// dial returns a function that sends a datagram to the socket at address: a path, or "@" and
// the name of an abstract socket. It opens a socket for each message: there are few, and a
// manager may replace its own.
func dial(address string) (send func(string) error, err error) {
	if len(address) < 2 || address[0] != '/' && address[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q: only an absolute path, or @ and a name, is supported", vitals.Line(address, 120))
	}
	return func(message string) error {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		_, err = conn.Write([]byte(message))
		return err
	}, nil
}

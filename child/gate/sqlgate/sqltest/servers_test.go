package sqltest

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

// A server is a database server that the tests start, on a free port of loopback, with data
// in a directory of its own. As root they run it as another user.
type server struct {
	name string
	user string // that the package of the server has made
	init func(s *server) *exec.Cmd
	run  func(s *server) *exec.Cmd
	ping func(s *server) (*sql.DB, error)
	stop os.Signal

	once sync.Once
	err  error
	dir  string
	port int
	cmd  *exec.Cmd
	gone chan struct{}
}

var postgres = &server{
	name: "postgres", user: "postgres", stop: syscall.SIGINT,
	init: func(s *server) *exec.Cmd {
		return exec.Command(program("initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	},
	run: func(s *server) *exec.Cmd {
		return exec.Command(program("postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.dir,
			"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=600")
	},
	ping: func(s *server) (*sql.DB, error) {
		return sql.Open("pgx", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", s.port))
	},
}

var mariadb = &server{
	name: "mariadbd", user: "mysql", stop: syscall.SIGTERM,
	init: func(s *server) *exec.Cmd {
		return exec.Command(program("mariadb-install-db"), "--no-defaults", "--datadir="+s.data(), "--auth-root-authentication-method=normal", "--skip-test-db")
	},
	run: func(s *server) *exec.Cmd {
		return exec.Command(program("mariadbd"), "--no-defaults", "--datadir="+s.data(), "--port="+strconv.Itoa(s.port),
			"--bind-address=127.0.0.1", "--socket="+filepath.Join(s.dir, "s"), "--pid-file="+filepath.Join(s.dir, "pid"),
			"--max-connections=600", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve")
	},
	ping: func(s *server) (*sql.DB, error) {
		c := mysql.NewConfig()
		c.User, c.Net, c.Addr = "root", "tcp", fmt.Sprint("127.0.0.1:", s.port)
		return sql.Open("mysql", c.FormatDSN())
	},
}

var _ = stdlib.GetDefaultDriver // registers pgx

// program returns the path of a program. Debian does not put those of PostgreSQL in PATH.
func program(name string) string {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return "/usr/sbin/" + name
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// start starts the server, unless it runs, and returns its port.
func (s *server) start(t *testing.T) int {
	s.once.Do(func() { s.err = s.launch() })
	require.NoError(t, s.err)
	return s.port
}

func (s *server) launch() (err error) {
	if s.dir, err = os.MkdirTemp("", "sqlgate"); err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	as, err := s.owner()
	if err != nil {
		return err
	}
	prepare := s.init(s)
	prepare.SysProcAttr, prepare.Dir = as, s.dir
	if out, err := prepare.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", prepare, err, out)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	s.cmd = s.run(s)
	s.cmd.SysProcAttr, s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = as, s.dir, log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.gone = make(chan struct{})
	go func() {
		defer close(s.gone)
		_ = s.cmd.Wait()
	}()
	return s.await()
}

// owner gives the directory to an unprivileged user, and returns how to run as that user.
func (s *server) owner() (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(s.user)
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(s.dir, uid, gid)
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// await waits until the server answers.
func (s *server) await() error {
	db, err := s.ping(s)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.gone:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("%s has ended:\n%s", s.name, log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", s.name, err)
		}
	}
}

func (s *server) end() {
	if s.cmd != nil && s.gone != nil {
		_ = s.cmd.Process.Signal(s.stop)
		<-s.gone
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// TestMain runs many tests at once, because most of their time they wait for terms to pass.
// With servers they are fewer, because a server has a limited number of connections.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) { // the default
		atOnce := "24"
		if os.Getenv("MACHINES") != "" {
			atOnce = "12"
		}
		_ = flag.Set("test.parallel", atOnce)
	}
	code := m.Run()
	postgres.end()
	mariadb.end()
	os.Exit(code)
}

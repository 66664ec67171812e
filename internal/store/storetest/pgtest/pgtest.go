// Package pgtest runs a PostgreSQL server of the tests' own, from the programs that Debian's package "postgresql" has. It must not
// know any store.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Password is that of the one user, over TCP; the socket asks for none.
const (
	User     = "keyfob"
	Password = "not-a-secret"
)

const wait = 20 * time.Second

// Server is a server that is started when a test first asks for a database. One serves a test binary.
type Server struct {
	mu   sync.Mutex
	dir  string // of data, socket and log
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
	made int           // databases
}

// Own is a server for one test, which ends with it.
func Own(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Programs is the folder of initdb and postgres, of the newest version; "": there is none.
func Programs() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is well-formed
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

func version(program string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(program)))) // 0: not Debian's
	return n
}

// Database makes an empty database, which ends with the test, and returns its URL, over the socket. Where there is no PostgreSQL
// the test fails under CI=true and is skipped elsewhere.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	if Programs() == "" {
		if os.Getenv("CI") == "true" { //nolint:forbidigo // only tests call this
			tb.Fatal("there is no PostgreSQL: install Debian's package postgresql")
		}
		tb.Skip("there is no PostgreSQL")
	}
	if err := s.Run(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	database, remove, err := s.Make(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := remove(); err != nil {
			tb.Error(err)
		}
	})
	return database
}

// Socket is the URL of a database over the socket.
func (s *Server) Socket(database string) string {
	q := url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}
	return (&url.URL{Scheme: "postgres", User: url.User(User), Path: "/" + database, RawQuery: q.Encode()}).String()
}

// Address is HOST:PORT of the server over TCP, where it asks for the password.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Run starts the server for a program that is no test, which must close it.
func (s *Server) Run(ctx context.Context) error {
	if Programs() == "" {
		return errors.New("there is no PostgreSQL: install Debian's package postgresql")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start(ctx)
}

// PIDs are the server's processes, the first one first.
func (s *Server) PIDs() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	return append([]int{s.cmd.Process.Pid}, children(s.cmd.Process.Pid)...)
}

// Start starts a server that was stopped.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// Stop stops the server by a signal to all its processes: SIGINT ends them in order, SIGKILL does not.
func (s *Server) Stop(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(sig); err != nil {
		tb.Fatal(err)
	}
}

// Close stops the server, if it runs, and removes it.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.stop(syscall.SIGINT)
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

func (s *Server) start(ctx context.Context) error {
	if s.cmd != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if s.dir == "" {
		if err := s.initialise(ctx); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(s.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command(context.WithoutCancel(ctx), "postgres", "-D", s.file("data"), "-k", s.dir, "-p", strconv.Itoa(s.port))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // why it ended is in its log
		close(done)
	}()
	s.cmd, s.done = cmd, done
	return s.listens(ctx)
}

// listens waits until the server answers.
func (s *Server) listens(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.Socket("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
			continue
		case <-s.done:
		case <-ctx.Done():
		}
		said, _ := os.ReadFile(s.file("log")) // all that is left to show
		return errors.Join(fmt.Errorf("postgres does not start: %w\n%s", err, said), s.stop(syscall.SIGKILL))
	}
}

func (s *Server) stop(sig syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	others := signal(s.cmd, sig)
	late := time.After(wait)
	select {
	case <-s.done:
	case <-late:
		signal(s.cmd, syscall.SIGKILL)
		<-s.done
		return errors.New("postgres did not stop")
	}
	s.cmd = nil
	for !ended(others) {
		select {
		case <-time.After(time.Millisecond):
		case <-late:
			return errors.New("a process of postgres did not stop")
		}
	}
	return nil
}

// initialise makes the folder and the server's files in it.
func (s *Server) initialise(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "keyfob-pg-"); err != nil {
		return err
	}
	if s.port, err = freePort(ctx); err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(s.file("password"), []byte(Password+"\n"), 0o600), own(s.dir, s.file("password"))); err != nil {
		return err
	}
	args := []string{
		"-D", s.file("data"), "-U", User, "--pwfile", s.file("password"), "--auth-local=trust", "--auth-host=scram-sha-256",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions",
	}
	if version(filepath.Join(Programs(), "postgres")) >= 15 { // a language's order, so that columns which must not have it are found
		args = append(args, "--locale-provider=icu", "--icu-locale=en")
	}
	if said, err := s.command(ctx, "initdb", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, said)
	}
	conf, err := os.OpenFile(s.file("data/postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString(strings.Join([]string{
		"", "listen_addresses = '127.0.0.1'", "max_connections = 200", "shared_buffers = 32MB", "max_wal_size = 256MB", "log_statement = none", "",
	}, "\n"))
	return errors.Join(err, conf.Close())
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(Programs(), program), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "HOME=" + s.dir}
	unprivileged(cmd)
	return cmd
}

// freePort is a port that nobody had a moment ago.
func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	n, convErr := strconv.Atoi(port)
	return n, errors.Join(err, convErr, l.Close())
}

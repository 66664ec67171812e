// Package faults breaks a real keyfobd in the ways that a disk, a kernel and hostile clients do: it is killed under load, its disk
// fails or is full, its files are damaged, its connections are held open.
package faults

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look at the database that the service leaves

	"github.com/keyfob/keyfob/internal/logtest"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

const wait = 20 * time.Second

// keyfobd is the program, built once.
var keyfobd = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // it is removed with the others by TestMain
	program := filepath.Join(built, "keyfobd")
	build := exec.Command("go", "build", "-o", program, "github.com/keyfob/keyfob/cmd/keyfobd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return program, nil
})

var built string //nolint:gochecknoglobals // set by TestMain

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "keyfob-faults-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		built = dir
		return m.Run()
	}())
}

func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", tool)
	}
	t.Skipf("%s is not installed", tool)
}

// service is a keyfobd on a data directory of its own.
type service struct {
	*testing.T
	data    string
	session secret.Secret
	under   []string // what runs it, such as strace and its flags
	program string   // another keyfobd than that of this tree; empty: that
	flags   []string // further ones
	more    []string // those of serve alone
	env     []string // further variables

	cmd *exec.Cmd
	log *logtest.Buffer
	url string
}

func newService(t *testing.T, under ...string) *service {
	t.Helper()
	program, err := keyfobd()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{T: t, data: filepath.Join(t.TempDir(), "data"), under: under}
	out, err := exec.CommandContext(t.Context(), program, "bootstrap", "-o", "json", "--data-dir", s.data, "--org", "acme").Output()
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Session string }
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}
	if s.session, err = secret.Parse(secret.Session, made.Session); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

// start starts it and waits until it says that it serves.
func (s *service) start() {
	s.Helper()
	if err := s.tryStart(); err != nil {
		s.Fatal(err)
	}
}

func (s *service) tryStart() error {
	program, err := keyfobd()
	if err != nil {
		return err
	}
	if s.program != "" {
		program = s.program
	}
	argv := slices.Concat(s.under, []string{program, "serve", "-o", "json", "--setup-link=false", "--listen", "127.0.0.1:0", "--data-dir", s.data}, s.flags, s.more)
	s.cmd, s.log = exec.Command(argv[0], argv[1:]...), &logtest.Buffer{}
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	late := time.AfterFunc(wait, s.signalKill)
	defer late.Stop()
	var ready struct{ Service struct{ URL string } }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		err = errors.Join(err, s.cmd.Wait(), errors.New(s.log.String()))
		s.cmd = nil
		return err
	}
	s.url = ready.Service.URL
	return nil
}

func (s *service) signalKill() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) }

// kill kills it with -9, and what it runs under.
func (s *service) kill() {
	if s.cmd != nil {
		s.signalKill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// stop ends it in order.
func (s *service) stop() {
	s.Helper()
	_ = s.cmd.Process.Signal(os.Interrupt)
	late := time.AfterFunc(wait, s.signalKill)
	defer late.Stop()
	if err := s.cmd.Wait(); err != nil {
		s.Errorf("it stops with %v\n%s", err, s.log)
	}
	s.cmd = nil
}

// client speaks for the organisation's owner.
func (s *service) client() *client.Client {
	s.Helper()
	c, err := client.New(client.Config{URL: s.url, Token: s.session})
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// ask makes one request on a connection of its own.
func (s *service) ask(method, path, bearer, body string) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

// wants makes a request and wants the status.
func (s *service) wants(status int, method, path, bearer, body string) string {
	s.Helper()
	got, text, err := s.ask(method, path, bearer, body)
	if err != nil || got != status {
		log := s.log.String()
		s.Errorf("%s %s: %d %s (%v), want %d\n%s", method, path, got, text, err, status, log[max(0, len(log)-1000):])
	}
	return text
}

// sound wants the database of the ended service to be whole.
func (s *service) sound() {
	s.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.data, "keyfob.db"))
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(s.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		s.Errorf("integrity_check: %s (%v)", verdict, err)
	}
}

package clients_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/test/clients"
)

var more = flag.Bool("more", false, "all clients of clients.json, not those alone that CI downloads") //nolint:gochecknoglobals // a test flag

// engine runs AI clients in a home of their own, with nothing of this process's environment.
type engine struct {
	home string
	path []string
	env  []string // beside HOME and PATH
}

// newEngine returns an engine whose PATH has the named clients of clients.json and their Node. Where one is not in the
// cache the test is skipped; in CI it fails.
func newEngine(t *testing.T, names ...string) *engine {
	t.Helper()
	all, err := clients.All()
	missing(t, err)
	cache, err := clients.Cache()
	missing(t, err)
	e := &engine{home: t.TempDir(), env: []string{
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "GEMINI_CLI_TRUST_WORKSPACE=true",
	}}
	wanted := slices.Clone(names)
	for _, c := range slices.Backward(all) { // a client's Node stands before it
		if c.Command == "node" && !slices.Contains(wanted, c.Name) || c.Command != "node" && !slices.Contains(names, c.Name) {
			continue
		}
		if c.More && !*more {
			t.Skipf("%s is for `make test-clients`", c.Name)
		}
		bin, err := c.BinDir(cache)
		missing(t, err)
		e.path = append(e.path, bin)
		wanted = append(wanted, c.Node)
	}
	e.path = append(e.path, "/usr/local/bin", "/usr/bin", "/bin")
	t.Cleanup(func() { e.reap(t) })
	return e
}

// bin returns the folder of a client's command.
func (e engine) bin(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range e.path {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return dir
		}
	}
	t.Fatalf("%s is not on the engine's PATH", name)
	return ""
}

// missing skips the test for want of a tool; in CI it fails.
func missing(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// environ is all that a program of the engine sees.
func (e *engine) environ() []string {
	return append([]string{"HOME=" + e.home, "PATH=" + strings.Join(e.path, ":")}, e.env...)
}

// command prepares argv; env resolves its first word, not this process's PATH.
func (e *engine) command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/usr/bin/env", argv...)
	cmd.Dir, cmd.Env = e.home, e.environ()
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run returns what the command wrote to both streams. A failure ends the test.
func (e *engine) run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := e.try(t, argv...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", argv[0], err, out)
	}
	return out
}

// try is run for a command that may fail.
func (e *engine) try(t *testing.T, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := e.command(ctx, argv...).CombinedOutput()
	return string(out), err
}

// says runs the client's own program and returns whether it calls the server of the name connected.
func (e *engine) says(t *testing.T, id, name string) bool {
	t.Helper()
	client, ok := mcpclient.Lookup(id)
	if !ok {
		t.Fatalf("there is no client %s", id)
	}
	c := mcpconnect.Connector{Where: mcpclient.Where{LookPath: e.lookPath}}
	connected, err := c.AskEngine(t.Context(), client, name, e.home, e.environ())
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return connected
}

func (e *engine) lookPath(name string) (string, error) {
	for _, dir := range e.path {
		if path := filepath.Join(dir, name); isFile(path) {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// reap ends what clients have left running: Cline starts a daemon. They are known by the home that they were given.
func (e *engine) reap(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	told := map[int]bool{}
	for {
		left := e.processes()
		for pid, line := range left {
			if !told[pid] {
				told[pid] = true
				t.Logf("%d was left running: %s", pid, line)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Errorf("still running: %v", left)
			return
		}
	}
}

// processes returns the command lines of the live processes that have the engine's home, by pid.
func (e *engine) processes() map[int]string {
	found := map[int]string{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), "HOME="+e.home) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			found[pid] = string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
		}
	}
	return found
}

// write puts files into the home, by path below it.
func (e *engine) write(t *testing.T, files map[string]string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(e.home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// state is the mode and the text of each file, by path; a file that is not there has neither.
func state(t *testing.T, paths []string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, path := range paths {
		fi, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			found[path] = "none"
			continue
		}
		data, readErr := os.ReadFile(path)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		found[path] = fmt.Sprintf("%v\n%s", fi.Mode(), data)
	}
	return found
}

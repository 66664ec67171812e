package auth_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// TestLoginInterrupted presses Ctrl-C at each step.
func TestLoginInterrupted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		at   func(t *testing.T, s *service, cancel func()) (flags []string)
		last string // the last call: a session that is here already ends on the service
	}{
		"while it starts": {func(_ *testing.T, s *service, cancel func()) []string { s.started = cancel; return nil }, "POST /v1/device/code none"},
		"while it asks":   {func(_ *testing.T, s *service, cancel func()) []string { s.polled = cancel; return nil }, "POST /v1/device/token none"},
		"while it proves": {func(_ *testing.T, s *service, cancel func()) []string { s.proved = cancel; return nil }, "DELETE /v1/session new"},
		"while it stores": {func(t *testing.T, _ *service, cancel func()) []string {
			t.Helper()
			return []string{"--storage=", "--credential-helper", stuckHelper(t, cancel)}
		}, "DELETE /v1/session new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			s, m := newService(t), newMachine(t)
			if exit := m.login(ctx, s, tt.at(t, s, cancel)...); exit != cliutil.ExitCancelled {
				t.Errorf("exit %d: %s", exit, m.stderr.String())
			}
			if exit := m.run(t.Context(), "auth", "status", "--offline"); exit != cliutil.ExitAuth {
				t.Errorf("signed in after all: exit %d", exit)
			}
			if calls := s.seen(); calls[len(calls)-1] != tt.last {
				t.Errorf("the last call is %q, want %q", calls[len(calls)-1], tt.last)
			}
		})
	}
}

// stuckHelper is a credential helper that calls stuck once it is to store something, and does not end.
func stuckHelper(t *testing.T, stuck func()) (path string) {
	t.Helper()
	dir := t.TempDir()
	path, reached := filepath.Join(dir, "helper"), filepath.Join(dir, "reached")
	// A shell writes it: a file that this process has open for writing while another test forks can't be run.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `mkfifo reached && cat >helper && chmod 700 helper`)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader("#!/bin/sh\n[ \"$1\" = store ] || exit 0\necho >'" + reached + "'\nexec sleep 60\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	go func() {
		if _, err := os.ReadFile(reached); err == nil { // waits for a writer
			stuck()
		}
	}()
	return path
}

// TestTwoLogins runs several at once into one place, twice: in the end one of their sessions lies there, and it is good. Who
// comes too late says so, and its session has ended.
func TestTwoLogins(t *testing.T) {
	t.Parallel()
	s, home := newService(t), newMachine(t)
	s.made = map[string]bool{}
	for range 2 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				m := newMachine(t)
				m.env["HOME"] = home.dir
				exit := m.login(t.Context(), s, "--no-browser")
				if exit != 0 && (exit != cliutil.ExitAuth || !strings.Contains(m.stderr.String(), "holds another value")) {
					t.Errorf("exit %d: %s", exit, m.stderr.String())
				}
			})
		}
		wg.Wait()
		exit := home.run(t.Context(), "auth", "token")
		s.mu.Lock()
		good := s.made[strings.TrimSpace(home.stdout.String())]
		s.mu.Unlock()
		if exit != 0 || !good {
			t.Errorf("exit %d: %s; what is kept is good: %t", exit, home.stderr.String(), good)
		}
	}
}

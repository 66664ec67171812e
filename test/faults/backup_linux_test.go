package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// run runs keyfobd with these arguments below other programs, and returns what it wrote.
func (s *service) run(under []string, args ...string) (string, error) {
	s.Helper()
	program, err := keyfobd()
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), wait)
	defer cancel()
	argv := append(append([]string{}, under...), append([]string{program}, args...)...)
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	return string(out), err
}

// TestBackupUnderLoad backs a service up while clients create, check and revoke keys, kills it and restores the last backup
// elsewhere: it has every key that was made before it, each sealed copy opens, and none that was revoked at any time opens.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	const clients = 3
	keys := make([][]*owned, clients)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() { keys[i] = s.change(ctx, i, nil) })
	}
	file := filepath.Join(t.TempDir(), "keyfob.bak")
	var begun time.Time
	for range 5 {
		begun = time.Now()
		if out, err := s.run(nil, "backup", "--force", "--data-dir", s.data, file); err != nil {
			t.Fatal(err, out)
		}
	}
	<-time.After(100 * time.Millisecond) // of changes that the backup does not know
	s.kill()
	cancel()
	group.Wait()

	before := s.data
	s.data = filepath.Join(t.TempDir(), "restored")
	out, err := s.run(nil, "restore", file, "--data-dir", s.data, "--keys-from", before, "--revocations", filepath.Join(before, "revocations.log"))
	if err != nil {
		t.Fatal(err, out)
	}
	s.start()
	total, live := 0, 0
	for _, list := range keys {
		for _, k := range list {
			total++
			got, err := s.client().Key(t.Context(), "acme", k.key.ID)
			if err != nil && k.is != deleted && k.may != deleted && k.key.CreatedAt.Before(begun) {
				t.Errorf("the key %s is lost: %v", k.key.ID, err)
			}
			status, text, _ := s.ask(http.MethodGet, "/v1/authz", k.secret, "")
			if status == http.StatusNoContent && k.is != enabled && k.may != enabled {
				t.Errorf("the key %s is %s, and opens: %s", k.key.ID, k.is, text)
			}
			if status != http.StatusNoContent {
				continue
			}
			live++
			if got.Status != api.StatusEnabled {
				t.Errorf("the key %s opens, and is %s", k.key.ID, got.Status)
			}
			if text := s.wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/"+k.key.ID+"/reveal", s.session.Reveal(), `{"purpose":"copy"}`); !strings.Contains(text, k.secret) {
				t.Errorf("the sealed copy of %s is of another secret", k.key.ID)
			}
		}
	}
	t.Logf("%d keys were made, %d of them open after the restore; %s", total, live, strings.TrimSpace(out))
	if live == 0 {
		t.Error("no key opens")
	}
	s.stop()
	s.sound()
}

// TestBackupKilled kills backups with -9 at any moment: the file is whole, or not there.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	s.makeKeys(t, 50)
	program, err := keyfobd()
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	for round := range 20 {
		file := filepath.Join(t.TempDir(), "keyfob.bak")
		cmd := exec.Command(program, "backup", "--data-dir", s.data, file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-time.After(time.Duration(rand.IntN(60)) * time.Millisecond):
			_ = cmd.Process.Kill()
			<-ended
		case <-ended:
		}
		if _, err := os.Stat(file); err != nil {
			continue
		}
		there++
		target := filepath.Join(t.TempDir(), "data")
		if out, err := s.run(nil, "restore", file, "--data-dir", target, "--keys-from", s.data, "--revocations", filepath.Join(s.data, "revocations.log")); err != nil {
			t.Errorf("round %d: %v %s", round, err, out)
		}
	}
	t.Logf("%d of 20 backups were there", there)
	s.wants(http.StatusOK, http.MethodGet, "/readyz", "", "")
	s.stop()
}

// TestBackupDiskFull: where the backup has no room it says so and leaves nothing, and the one before stays.
func TestBackupDiskFull(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	s.makeKeys(t, 20)
	dir := t.TempDir()
	file := filepath.Join(dir, "keyfob.bak")
	if err := os.WriteFile(file, []byte("the one before"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := s.run([]string{"sh", "-c", `ulimit -f 100; exec "$@"`, "sh"}, "backup", "--force", "--data-dir", s.data, file)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "no backup was made") || !strings.Contains(out, "disk") {
		t.Errorf("%v: %s", err, out)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v (%v)", entries, err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "the one before" {
		t.Errorf("the file before is %q (%v)", text, err)
	}
	s.stop()
}

// TestRestoreKilled kills restores with -9 at any moment: what they leave is not served before it is whole, and the next restore
// finishes.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	made := s.makeKeys(t, 20)
	file := filepath.Join(t.TempDir(), "keyfob.bak")
	if out, err := s.run(nil, "backup", "--data-dir", s.data, file); err != nil {
		t.Fatal(err, out)
	}
	s.wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/k0/disable", s.session.Reveal(), "")
	s.stop()
	program, err := keyfobd()
	if err != nil {
		t.Fatal(err)
	}
	before := s.data
	for round := range 10 {
		s.data = filepath.Join(t.TempDir(), fmt.Sprint("restored", round))
		args := []string{"restore", file, "--data-dir", s.data, "--keys-from", before, "--revocations", filepath.Join(before, "revocations.log")}
		cmd := exec.Command(program, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(rand.IntN(80)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if _, err := os.Stat(filepath.Join(s.data, "keyfob.db")); err != nil {
			if out, err := s.run(nil, append(args, "--force")...); err != nil {
				t.Fatal(err, out)
			}
		}
		s.start()
		s.wants(http.StatusUnauthorized, http.MethodGet, "/v1/authz", made["k0"], "")
		s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", made["k1"], "")
		s.stop()
		s.sound()
	}
}

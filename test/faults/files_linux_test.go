package faults

import (
	"errors"
	"flag"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var flips = flag.Int("flips", 10, "how many damaged databases TestBitFlips makes") //nolint:gochecknoglobals // a flag

// TestDamagedFiles: somebody laid hands on the database's files. The service starts with all that was kept, or says which file is
// wrong; it never starts with an empty one in its place.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	const database, log, shared = "keyfob.db", "keyfob.db-wal", "keyfob.db-shm"
	for name, tt := range map[string]struct {
		damage  func(file func(string) string) error
		refused string // what the refusal says; empty: it starts
	}{
		"no shared memory":  {func(file func(string) string) error { return os.Remove(file(shared)) }, ""},
		"shared memory cut": {func(file func(string) string) error { return os.Truncate(file(shared), 100) }, ""},
		"a log cut in a frame": {func(file func(string) string) error {
			info, err := os.Stat(file(log))
			return errors.Join(err, os.Truncate(file(log), info.Size()-100))
		}, ""},
		"an empty database beside its log": {func(file func(string) string) error { return os.Truncate(file(database), 0) }, "keyfob.db"},
		"no database": {func(file func(string) string) error {
			return errors.Join(os.Remove(file(database)), os.Remove(file(log)), os.Remove(file(shared)))
		}, "keyfob.db is missing"},
		"an empty database": {func(file func(string) string) error {
			return errors.Join(os.Truncate(file(database), 0), os.Remove(file(log)), os.Remove(file(shared)))
		}, "keyfob.db is empty"},
		"half a database": {func(file func(string) string) error {
			return errors.Join(os.Truncate(file(database), 6000), os.Remove(file(log)), os.Remove(file(shared)))
		}, "keyfob.db"},
		"text": {func(file func(string) string) error {
			return errors.Join(os.WriteFile(file(database), []byte(strings.Repeat("no database\n", 1000)), 0o600), os.Remove(file(log)), os.Remove(file(shared)))
		}, "keyfob.db"},
		"a folder in its place": {func(file func(string) string) error {
			return errors.Join(os.Remove(file(database)), os.Remove(file(log)), os.Remove(file(shared)), os.Mkdir(file(database), 0o700))
		}, "keyfob.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			s.start()
			made := s.makeKeys(t, 20)
			s.kill()
			err := tt.damage(func(name string) string { return filepath.Join(s.data, name) })
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			err = s.tryStart()
			if tt.refused != "" {
				if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("it starts: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for _, secret := range made {
				switch status, text, err := s.ask(http.MethodGet, "/v1/authz", secret, ""); {
				case err != nil || status != http.StatusNoContent && status != http.StatusUnauthorized:
					t.Errorf("%d %s (%v)", status, text, err)
				case status == http.StatusUnauthorized:
					refused++
				}
			}
			if most := map[bool]int{true: 1}[name == "a log cut in a frame"]; refused > most { // the last commit was cut off
				t.Errorf("%d keys are gone", refused)
			}
			s.stop()
			s.sound()
		})
	}
}

// TestBitFlips: some bits of the database turned over while nothing ran. Whatever they hit, the service refuses to start, or it
// answers, and goes on answering.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	made := s.makeKeys(t, 50)
	s.stop()
	file := filepath.Join(s.data, "keyfob.db")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	starts := 0
	for range *flips {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		text := append([]byte{}, whole...)
		for range 1 + random.IntN(30) {
			text[random.IntN(len(text))] ^= 1 << random.IntN(8)
		}
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.tryStart(); err != nil {
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(err.Error(), s.data) || strings.Contains(err.Error(), "goroutine ") {
				t.Errorf("seed %d: %v", seed, err)
			}
			continue
		}
		starts++
		for name, secret := range made {
			for _, path := range []string{"/v1/authz", "/v1/self", "/v1/orgs/acme/keys/" + name, "/v1/orgs/acme/keys", "/v1/orgs/acme/events"} {
				bearer := s.session.Reveal()
				if !strings.HasPrefix(path, "/v1/orgs") {
					bearer = secret
				}
				if status, text, err := s.ask(http.MethodGet, path, bearer, ""); err != nil || status == 0 {
					t.Errorf("seed %d: %s: %d %s (%v)", seed, path, status, text, err)
				}
			}
		}
		s.wants(http.StatusOK, http.MethodGet, "/healthz", "", "")
		if log := s.log.String(); strings.Contains(log, "panick") || strings.Contains(log, "goroutine ") {
			t.Errorf("seed %d:\n%s", seed, log)
		}
		s.kill()
	}
	t.Logf("%d of %d damaged databases were served", starts, *flips)
}

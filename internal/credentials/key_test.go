package credentials

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

const keyID = "key_06h13ho6pht5fb1h1uk1nq7h5g"

// TestKeySecret holds that a key's secret is kept beside the session and never in its place, in each place that keeps one.
func TestKeySecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	for name, tc := range map[string]struct {
		ref  Ref
		want Source
	}{
		"keyring": {remote(), Source{KindKeyring, "keyfob-key:" + origin}},
		"plain":   {in(Choice{Kind: KindPlain}), Source{KindPlain, filepath.Join(dir, "credentials", "work.keys", keyID+".json")}},
		"local":   {Ref{Origin: origin, Context: "local", LocalDir: dir}, Source{KindFile, filepath.Join(dir, "key-secrets", keyID+".json")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(Config{Dir: dir, Keyring: &memory{}, EnvToken: "kfs_other"})
			session, value := secret.New(secret.Session), secret.New(secret.Key)
			if _, err := s.Put(t.Context(), tc.ref, session); err != nil {
				t.Fatal(err)
			}
			ref := tc.ref
			ref.Key = keyID
			if _, _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrNone) {
				t.Errorf("before: %v", err)
			}
			if at, err := s.Put(t.Context(), ref, value); err != nil || at != tc.want {
				t.Fatalf("put: %v, %v", at, err)
			}
			if got, at, err := s.Get(t.Context(), ref); err != nil || got != value || at != tc.want {
				t.Errorf("get: %v, %v, %v", got, at, err)
			}
			if got, _, err := s.Stored(t.Context(), tc.ref); err != nil || got != session {
				t.Errorf("the session: %v, %v", got, err)
			}
			if tc.want.Kind != KindKeyring {
				for path, mode := range map[string]fs.FileMode{tc.want.Detail: 0o600, filepath.Dir(tc.want.Detail): 0o700 | fs.ModeDir} {
					if fi, err := os.Stat(path); err != nil || fi.Mode() != mode {
						t.Errorf("%s: %v, %v", path, fi.Mode(), err)
					}
				}
			}
			if _, err := s.Put(t.Context(), ref, session); err == nil || !strings.Contains(err.Error(), "no secret of a key") {
				t.Errorf("a session for a secret: %v", err)
			}
			other := ref
			other.Key = "key_2"
			if _, _, err := s.Stored(t.Context(), other); !errors.Is(err, ErrNone) {
				t.Errorf("another key: %v", err)
			}
			if gone, err := s.Delete(t.Context(), ref); err != nil || len(gone) != 1 {
				t.Errorf("delete: %v, %v", gone, err)
			}
			if got, _, err := s.Stored(t.Context(), tc.ref); err != nil || got != session {
				t.Errorf("the session after it: %v, %v", got, err)
			}
		})
	}
}

// TestKeySecretIsBound holds that an item that was moved, or is the session's, opens nothing.
func TestKeySecretIsBound(t *testing.T) {
	t.Parallel()
	ref := remote()
	ref.Key = keyID
	value := secret.New(secret.Key)
	for name, stored := range map[string]string{
		"another key":     `{"v":1,"origin":"` + origin + `","key":"key_2","token":"` + value.Reveal() + `"}`,
		"no key":          `{"v":1,"origin":"` + origin + `","token":"` + value.Reveal() + `"}`,
		"another service": `{"v":1,"origin":"https://evil.example.com","key":"` + keyID + `","token":"` + value.Reveal() + `"}`,
		"a session":       `{"v":1,"origin":"` + origin + `","key":"` + keyID + `","token":"` + secret.New(secret.Session).Reveal() + `"}`,
	} {
		s := New(Config{Keyring: &memory{get: func(string, string) (string, error) { return stored, nil }}})
		if got, _, err := s.Stored(t.Context(), ref); !errors.Is(err, ErrUnusable) || !got.IsZero() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		wantNoLeak(t, func() error { _, _, err := s.Stored(t.Context(), ref); return err }(), value.Reveal())
	}
	s := New(Config{Keyring: &memory{get: func(string, string) (string, error) {
		return `{"v":1,"origin":"` + origin + `","key":"` + keyID + `","token":"` + secret.New(secret.Session).Reveal() + `"}`, nil
	}}})
	if got, _, err := s.Stored(t.Context(), remote()); !errors.Is(err, ErrUnusable) || !got.IsZero() {
		t.Errorf("a secret for the session: %v, %v", got, err)
	}
}

func TestKeySecretRefused(t *testing.T) {
	t.Parallel()
	s := New(Config{Dir: t.TempDir(), Keyring: &memory{}})
	sealed := in(Choice{Kind: KindEncrypted})
	sealed.Key = keyID
	if _, _, err := s.Stored(t.Context(), sealed); !errors.Is(err, ErrNotKept) {
		t.Errorf("encrypted: %v", err)
	}
	if _, err := s.Put(t.Context(), sealed, secret.New(secret.Key)); !errors.Is(err, ErrNotKept) {
		t.Errorf("encrypted: %v", err)
	}
	for _, id := range []string{"ci", "key_", "key_../../x", "key_A", "key_" + strings.Repeat("a", 61), "key_a\n"} {
		ref := remote()
		ref.Key = id
		if _, _, err := s.Stored(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "not the id") {
			t.Errorf("%q: %v", id, err)
		}
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "key-secrets"), 0o755))
	must(t, os.Chmod(filepath.Join(dir, "key-secrets"), 0o755))
	open := Ref{Origin: origin, Context: "local", LocalDir: dir, Key: keyID}
	if _, err := s.Put(t.Context(), open, secret.New(secret.Key)); err == nil || !strings.Contains(err.Error(), "open to other users") {
		t.Errorf("an open folder: %v", err)
	}
	absent := Ref{Origin: origin, Context: "local", LocalDir: filepath.Join(dir, "absent"), Key: keyID}
	if _, err := s.Put(t.Context(), absent, secret.New(secret.Key)); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("no data directory: %v", err)
	}
}

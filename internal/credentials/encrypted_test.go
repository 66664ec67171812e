//go:build unix

package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/keyfob/keyfob/pkg/secret"
)

const passphrase = "correct horse battery staple"

func mustSeal(t *testing.T, value string) []byte {
	t.Helper()
	sealed, err := seal(passphrase, value, cheapFactor)
	must(t, err)
	return sealed
}

// TestEncryptedFile: it is what the program age writes and opens.
func TestEncryptedFile(t *testing.T) {
	t.Parallel()
	if got := newEncryptedPlace(Config{}).workFactor; got != 16 {
		t.Errorf("the work factor is %d, want 16", got)
	}
	dir, ref, token := t.TempDir(), in(Choice{Kind: KindEncrypted}), secret.New(secret.Session)
	_, err := cheapStore(Config{Dir: dir, Passphrase: always(passphrase)}).Put(t.Context(), ref, token)
	must(t, err)
	sealed, err := os.ReadFile(filepath.Join(dir, "credentials", "work.age"))
	must(t, err)
	header, _, _ := strings.Cut(string(sealed), "\n---")
	lines := strings.Split(header, "\n")
	if len(lines) != 3 || lines[0] != "age-encryption.org/v1" || !strings.HasPrefix(lines[1], "-> scrypt ") || !strings.HasSuffix(lines[1], fmt.Sprint(" ", cheapFactor)) {
		t.Errorf("header = %q", header)
	}
	if bytes.Contains(sealed, []byte("kfs_")) || bytes.Contains(sealed, []byte("keys.example.com")) {
		t.Error("the file can be read without its passphrase")
	}
	identity, err := age.NewScryptIdentity(passphrase)
	must(t, err)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	must(t, err)
	if value, err := io.ReadAll(r); err != nil || string(value) != mustEncode(t, origin, token) {
		t.Errorf("age opens %d other bytes (%v)", len(value), err)
	}
}

// TestEncryptedAsks: once for a file that is read, whatever the number of reads, and for each that is written.
func TestEncryptedAsks(t *testing.T) {
	t.Parallel()
	dir, ref, ctx := t.TempDir(), in(Choice{Kind: KindEncrypted}), t.Context()
	var mu sync.Mutex
	var asked []string
	ask := func(_ context.Context, purpose string, confirm bool) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprintf("%s, confirm %v", purpose, confirm))
		return passphrase, nil
	}
	want := func(questions ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(asked, "; "); got != strings.Join(questions, "; ") {
			t.Errorf("asked %q, want %q", got, questions)
		}
		asked = nil
	}
	const open, create = `for the session of context "work" at ` + origin + ", confirm false", `for the session of context "work" at ` + origin + ", confirm true"

	writer := cheapStore(Config{Dir: dir, Passphrase: ask})
	if _, _, err := writer.Get(ctx, ref); !errors.Is(err, ErrNone) {
		t.Fatalf("Get: %v, want ErrNone", err)
	}
	want()
	first, second := secret.New(secret.Session), secret.New(secret.Session)
	_, err := writer.Put(ctx, ref, first)
	must(t, err)
	want(create)

	reader := cheapStore(Config{Dir: dir, Passphrase: ask})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, _, err := reader.Get(ctx, ref); err != nil || got != first {
				t.Errorf("Get = %v, %v", got, err)
			}
		})
	}
	wg.Wait()
	want(open)

	_, err = writer.Put(ctx, ref, second)
	must(t, err)
	want(create)
	if got, _, err := reader.Get(ctx, ref); err != nil || got != second {
		t.Errorf("Get of what another wrote = %v, %v", got, err)
	}
	want(open)
	_, err = reader.Delete(ctx, ref)
	must(t, err)
	if _, _, err := reader.Get(ctx, ref); !errors.Is(err, ErrNone) {
		t.Errorf("Get after Delete: %v, want ErrNone", err)
	}
	want()
}

func TestEncryptedRefused(t *testing.T) {
	t.Parallel()
	token := secret.New(secret.Session)
	good := mustSeal(t, mustEncode(t, origin, token))
	recipient, err := age.GenerateX25519Identity()
	must(t, err)
	var other bytes.Buffer
	w, err := age.Encrypt(&other, recipient.Recipient())
	must(t, err)
	_, err = io.WriteString(w, mustEncode(t, origin, token))
	must(t, errors.Join(err, w.Close()))
	asks := func(factor string) []byte {
		return bytes.Replace(good, []byte(fmt.Sprintf(" %d\n", cheapFactor)), []byte(" "+factor+"\n"), 1)
	}
	const (
		foreign, damaged = "it holds no session that keyfob wrote", "it is damaged"
		wrong            = "the passphrase does not open the file "
		work             = "it asks for more work than any passphrase is worth"
		again            = "sign in with keyfob auth login"
	)
	for _, tc := range []struct {
		name    string
		content []byte
		answer  string // of the person; "": nobody must be asked
		reason  string
	}{
		{"wrong passphrase", good, "Correct horse battery staple", wrong},
		{"passphrase and a space", good, passphrase + " ", wrong},
		{"passphrase of 1 MiB", good, strings.Repeat("x", 1<<20), wrong},
		{"empty", nil, "", foreign},
		{"1 MiB", make([]byte, 1<<20), "", foreign},
		{"1 MiB after it", append(bytes.Clone(good), make([]byte, 1<<20)...), "", foreign},
		{"a header of 5 KiB", []byte("age-encryption.org/v1\n-> scrypt " + strings.Repeat("a ", 2500)), "", foreign},
		{"a plain session", []byte(mustEncode(t, origin, token)), "", foreign},
		{"for a key of age", other.Bytes(), "", foreign},
		{"header cut short", good[:40], "", foreign},
		{"body cut short", good[:len(good)-1], passphrase, damaged},
		{"no body", good[:bytes.Index(good, []byte("\n---"))+50], passphrase, damaged},
		{"something after it", append(bytes.Clone(good), 'x'), passphrase, damaged},
		{"work 19", asks("19"), "", work},
		{"work 30", asks("30"), "", work},
		{"work 999999999", asks("999999999"), "", work},
		{"work beyond all numbers", asks(strings.Repeat("9", 30)), "", foreign},
		{"work -1", asks("-1"), passphrase, foreign},
		{"work 04", asks("04"), passphrase, foreign},
		{"another work", asks("5"), passphrase, wrong},
		{"another origin", mustSeal(t, mustEncode(t, "https://evil.example.com", token)), passphrase, "its session is for another service"},
		{"a bare token", mustSeal(t, token.Reveal()), passphrase, foreign},
		{"nothing in it", mustSeal(t, ""), passphrase, foreign},
		{"too much in it", mustSeal(t, mustEncode(t, origin, token)+strings.Repeat(" ", maxRead)), passphrase, foreign},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, ref, path := fileStore(t, KindEncrypted)
			ref.Origin = origin
			must(t, write(path, string(tc.content), 0o600))
			s := cheapStore(Config{Dir: filepath.Dir(filepath.Dir(path)), Passphrase: func(context.Context, string, bool) (string, error) {
				if tc.answer == "" {
					t.Error("somebody was asked")
				}
				return tc.answer, nil
			}})
			for range 2 { // a failure is no reason to believe the next answer
				_, _, err := s.Get(t.Context(), ref)
				wantError(t, err, "get", KindEncrypted, tc.reason, again)
				wantNoLeak(t, err, token.Reveal()[4:])
				wantNoLeak(t, err, "horse")
				if errors.Is(err, ErrNone) || errors.Is(err, ErrUnusable) == (tc.reason == wrong) {
					t.Errorf("the error is of the wrong kind: %v", err)
				}
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, tc.content) {
				t.Errorf("the file was changed (%v)", err)
			}
			// Signing in again heals it.
			fresh, token := cheapStore(Config{Dir: filepath.Dir(filepath.Dir(path)), Passphrase: always(passphrase)}), secret.New(secret.Session)
			_, err := fresh.Put(t.Context(), ref, token)
			must(t, err)
			if got, _, err := fresh.Get(t.Context(), ref); err != nil || got != token {
				t.Errorf("Get after Put = %v, %v", got, err)
			}
		})
	}
}

// TestEncryptedDamage: wherever a byte is changed or the file ends early, it is refused.
func TestEncryptedDamage(t *testing.T) {
	t.Parallel()
	_, ref, path := fileStore(t, KindEncrypted)
	ref.Origin = origin
	dir := filepath.Dir(filepath.Dir(path))
	good := mustSeal(t, mustEncode(t, origin, secret.New(secret.Session)))
	try := func(name string, content []byte) {
		t.Helper()
		must(t, write(path, string(content), 0o600))
		_, _, err := cheapStore(Config{Dir: dir, Passphrase: always(passphrase)}).Get(t.Context(), ref)
		if e, ok := errors.AsType[*Error](err); !ok || errors.Is(err, ErrNone) || e.Hint == "" || strings.Contains(e.Reason, "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 0x40 // in the header: another character; a digit becomes none
		try(fmt.Sprintf("byte %d changed", i), changed)
		try(fmt.Sprintf("cut at %d", i), good[:i])
	}
}

// TestEncryptedAnswers: what the caller's question comes back with.
func TestEncryptedAnswers(t *testing.T) {
	t.Parallel()
	refused := errors.New("nobody is at the terminal")
	for _, tc := range []struct {
		name         string
		ask          func(context.Context, string, bool) (string, error)
		reason, hint string // "": the caller's own error
	}{
		{"an error", func(context.Context, string, bool) (string, error) { return "", refused }, "", ""},
		{"nothing", always(""), "is empty", "KEYFOB_PASSPHRASE"},
		{"nobody", nil, "needs its passphrase, and nobody can be asked", "set KEYFOB_PASSPHRASE, or KEYFOB_TOKEN"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir, ref, token := t.TempDir(), in(Choice{Kind: KindEncrypted}), secret.New(secret.Session)
			_, err := cheapStore(Config{Dir: dir, Passphrase: always(passphrase)}).Put(t.Context(), ref, token)
			must(t, err)
			s := cheapStore(Config{Dir: dir, Passphrase: tc.ask})
			_, _, getErr := s.Get(t.Context(), ref)
			_, putErr := s.Put(t.Context(), ref, secret.New(secret.Session))
			for op, err := range map[string]error{"get": getErr, "put": putErr} {
				if tc.reason == "" {
					if !errors.Is(err, refused) {
						t.Errorf("%s: %v, want %v", op, err, refused)
					}
					continue
				}
				wantError(t, err, op, KindEncrypted, tc.reason, tc.hint)
			}
			if got, _, err := cheapStore(Config{Dir: dir, Passphrase: always(passphrase)}).Get(t.Context(), ref); err != nil || got != token {
				t.Errorf("the old file is gone: %v", err)
			}
		})
	}
}

// A command that is cancelled does not wait for a question that another one asks.
func TestEncryptedCancelled(t *testing.T) {
	t.Parallel()
	dir, ref := t.TempDir(), in(Choice{Kind: KindEncrypted})
	_, err := cheapStore(Config{Dir: dir, Passphrase: always(passphrase)}).Put(t.Context(), ref, secret.New(secret.Session))
	must(t, err)
	asked, answer := make(chan struct{}), make(chan struct{})
	s := cheapStore(Config{Dir: dir, Passphrase: func(context.Context, string, bool) (string, error) {
		close(asked)
		<-answer
		return passphrase, nil
	}})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := s.Get(t.Context(), ref); err != nil {
			t.Errorf("Get: %v", err)
		}
	})
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	wg.Go(func() {
		_, _, err := s.Get(ctx, ref)
		done <- err
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v, want context.Canceled", err)
	}
	close(answer)
	wg.Wait()
}

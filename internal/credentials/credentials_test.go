package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

const origin = "https://keys.example.com"

func remote() Ref { return Ref{Origin: origin, Context: "work"} }

// in is the same credential in another place.
func in(c Choice) Ref { return Ref{Origin: origin, Context: "work", Store: c} }

// memory is a keyring that works, unless a test replaces one of its calls.
type memory struct {
	mu    sync.Mutex
	items map[[2]string]string
	calls int

	get func(service, user string) (string, error)
	set func(service, user, value string) error
	del func(service, user string) error
}

func (m *memory) Get(service, user string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.get != nil {
		return m.get(service, user)
	}
	value, ok := m.items[[2]string{service, user}]
	if !ok {
		return "", ErrNone
	}
	return value, nil
}

func (m *memory) Set(service, user, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.set != nil {
		return m.set(service, user, value)
	}
	if m.items == nil {
		m.items = map[[2]string]string{}
	}
	m.items[[2]string{service, user}] = value
	return nil
}

func (m *memory) Delete(service, user string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.del != nil {
		return m.del(service, user)
	}
	if _, ok := m.items[[2]string{service, user}]; !ok {
		return ErrNone
	}
	delete(m.items, [2]string{service, user})
	return nil
}

// wantError asserts what an Error says.
func wantError(t *testing.T, err error, op string, place Kind, reason, hint string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Errorf("error = %v (%T), want an *Error", err, err)
		return
	}
	if e.Op != op || e.Place != place {
		t.Errorf("op, place = %q, %q, want %q, %q", e.Op, e.Place, op, place)
	}
	if !strings.Contains(e.Reason, reason) {
		t.Errorf("reason = %q, want it to have %q", e.Reason, reason)
	}
	if !strings.Contains(e.Hint, hint) {
		t.Errorf("hint = %q, want it to have %q", e.Hint, hint)
	}
	if e.Hint == "" || strings.Contains(e.Reason, "\n") {
		t.Errorf("want one line and a hint: %q, %q", e.Reason, e.Hint)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	encrypted, plain := filepath.Join(dir, "credentials", "work.age"), filepath.Join(dir, "credentials", "work.json")
	for _, tc := range []struct {
		name  string
		ref   Ref
		where Source
		human string
	}{
		{"keyring", remote(), Source{KindKeyring, "keyfob:" + origin}, "the OS keyring (keyfob:" + origin + ")"},
		{
			"file",
			Ref{Origin: "http://127.0.0.1:7420", Context: "local", LocalDir: dir},
			Source{KindFile, filepath.Join(dir, "session")},
			"the file " + filepath.Join(dir, "session"),
		},
		{"helper", in(Choice{KindHelper, myself(t)}), Source{KindHelper, myself(t)}, "the credential helper " + myself(t)},
		{"encrypted", in(Choice{Kind: KindEncrypted}), Source{KindEncrypted, encrypted}, "the file " + encrypted + ", encrypted with a passphrase"},
		{"plain", in(Choice{Kind: KindPlain}), Source{KindPlain, plain}, "the file " + plain + ", not encrypted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cfg := t.Context(), Config{
				Keyring: &memory{}, Environ: helperEnv("works", t.TempDir()), Dir: dir, Passphrase: always("correct horse"),
			}
			s := cheapStore(cfg)
			if _, _, err := s.Get(ctx, tc.ref); !errors.Is(err, ErrNone) || errors.Is(err, ErrUnavailable) {
				t.Fatalf("Get before Put: %v, want ErrNone", err)
			}
			first, second := secret.New(secret.Session), secret.New(secret.Session)
			for _, token := range []secret.Secret{first, second} {
				at, err := s.Put(ctx, tc.ref, token)
				if err != nil || at != tc.where {
					t.Fatalf("Put = %v, %v, want %v", at, err, tc.where)
				}
				got, at, err := cheapStore(cfg).Get(ctx, tc.ref)
				if err != nil || at != tc.where || got != token {
					t.Fatalf("Get = %v, %v, %v, want the token at %v", got, at, err, tc.where)
				}
			}
			if got := tc.where.String(); got != tc.human {
				t.Errorf("String() = %q, want %q", got, tc.human)
			}
			removed, err := s.Delete(ctx, tc.ref)
			if err != nil || len(removed) != 1 || removed[0] != tc.where {
				t.Fatalf("Delete = %v, %v, want [%v]", removed, err, tc.where)
			}
			// A helper does not say whether there was something.
			if removed, err = s.Delete(ctx, tc.ref); err != nil || len(removed) != 0 && tc.name != "helper" {
				t.Fatalf("second Delete = %v, %v, want nothing", removed, err)
			}
			if _, _, err := s.Get(ctx, tc.ref); !errors.Is(err, ErrNone) {
				t.Fatalf("Get after Delete: %v, want ErrNone", err)
			}
		})
	}
}

func TestKeyringItem(t *testing.T) {
	t.Parallel()
	ring, token := &memory{}, secret.New(secret.Session)
	if _, err := New(Config{Keyring: ring}).Put(t.Context(), remote(), token); err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"origin":"https://keys.example.com","token":"` + token.Reveal() + `"}`
	if got := ring.items[[2]string{"keyfob:https://keys.example.com", "work"}]; got != want || len(ring.items) != 1 {
		t.Errorf("items = %d, ours of %d bytes, want one of %d bytes", len(ring.items), len(got), len(want))
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	token := secret.New(secret.Session)
	text := token.Reveal()
	flipped := text[:10] + string('0'+('1'-text[10])%2) + text[11:]
	for _, tc := range []struct{ name, value, reason, hint string }{
		{"good", text, "", ""},
		{"word", "hunter2-canary", "KEYFOB_TOKEN holds no session token: it does not have the form", "set it to a session token"},
		{"mistyped", flipped, "its checksum is wrong", "or unset it"},
		{"cut short", text[:20], "it does not have the form", "or unset it"},
		{"new line", text + "\n", "it does not have the form", "white space at its ends"},
		{"API key", secret.New(secret.Key).Reveal(), "it does not have the form", "it holds an API key"},
		{"NUL", text + "\x00", "it does not have the form", "or unset it"},
		{"long", strings.Repeat("kfs_", 1<<18), "it does not have the form", "or unset it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ring := &memory{}
			s := New(Config{EnvToken: tc.value, Keyring: ring})
			got, at, err := s.Get(t.Context(), remote())
			if ring.calls != 0 {
				t.Errorf("the keyring was called %d times", ring.calls)
			}
			if tc.reason == "" {
				if err != nil || got != token || at.String() != "KEYFOB_TOKEN" || at.Kind != KindEnvironment {
					t.Errorf("Get = %v, %v, %v", got, at, err)
				}
				return
			}
			wantError(t, err, "get", KindEnvironment, tc.reason, tc.hint)
			wantNoLeak(t, err, tc.value)
		})
	}
}

func TestPutAndDeleteIgnoreEnvironment(t *testing.T) {
	t.Parallel()
	ring, token := &memory{}, secret.New(secret.Session)
	s := New(Config{EnvToken: "anything", Keyring: ring})
	if at, err := s.Put(t.Context(), remote(), token); err != nil || at.Kind != KindKeyring {
		t.Fatalf("Put = %v, %v", at, err)
	}
	if removed, err := s.Delete(t.Context(), remote()); err != nil || len(removed) != 1 {
		t.Fatalf("Delete = %v, %v", removed, err)
	}
}

// What a place can't serve is refused before anything is read, written, run or asked.
// TestPlacesAreApart: a Ref's place is the only one that is asked and the only one that is cleared.
func TestPutRefusesOtherTokens(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]secret.Secret{"zero": {}, "API key": secret.New(secret.Key)} {
		ring := &memory{}
		_, err := New(Config{Keyring: ring}).Put(t.Context(), remote(), token)
		wantError(t, err, "put", "", "this is no session token", "kfs_")
		if ring.calls != 0 {
			t.Errorf("%s: the keyring was called", name)
		}
	}
}

func TestCancelledBefore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ring := &memory{}
	_, _, err := New(Config{Keyring: ring}).Get(ctx, remote())
	if !errors.Is(err, context.Canceled) || ring.calls != 0 {
		t.Errorf("Get = %v after %d calls, want context.Canceled after none", err, ring.calls)
	}
}

func TestSourceJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(Source{KindKeyring, "keyfob:" + origin})
	if want := `{"kind":"keyring","detail":"keyfob:https://keys.example.com"}`; err != nil || string(got) != want {
		t.Errorf("JSON = %s, %v, want %s", got, err, want)
	}
}

// wantNoLeak looks for the secret in everything that an error can print.
func wantNoLeak(t *testing.T, err error, canary string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Errorf("error = %v (%T), want an *Error", err, err)
		return
	}
	all := []string{fmt.Sprintf("%q %s", err, e.Hint)}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		all = append(all, fmt.Sprintf("%v %+v %#v", inner, inner, inner))
	}
	if strings.Contains(strings.Join(all, " "), canary) {
		t.Error("an error holds the secret")
	}
}

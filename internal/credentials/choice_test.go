package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

func TestBadRef(t *testing.T) {
	t.Parallel()
	const badOrigin, badContext = "the origin of the service", "the name of the context"
	for _, tc := range []struct {
		ref    Ref
		reason string
	}{
		{Ref{Origin: "", Context: "a"}, badOrigin},
		{Ref{Origin: "keys.example.com", Context: "a"}, badOrigin},
		{Ref{Origin: "https://keys.example.com/", Context: "a"}, badOrigin},
		{Ref{Origin: "https://keys.example.com/path", Context: "a"}, badOrigin},
		{Ref{Origin: "https://keys.example.com?q", Context: "a"}, badOrigin},
		{Ref{Origin: "https://keys.example.com#f", Context: "a"}, badOrigin},
		{Ref{Origin: "https://Keys.example.com", Context: "a"}, badOrigin},
		{Ref{Origin: "HTTPS://keys.example.com", Context: "a"}, badOrigin},
		{Ref{Origin: "https://user:hunter2-canary@keys.example.com", Context: "a"}, badOrigin},
		{Ref{Origin: "file:///etc/passwd", Context: "a"}, badOrigin},
		{Ref{Origin: "https://", Context: "a"}, badOrigin},
		{Ref{Origin: "https://:443", Context: "a"}, badOrigin},
		{Ref{Origin: "https://keys.example.com\nx", Context: "a"}, badOrigin},
		{Ref{Origin: "https://keys.exämple.com", Context: "a"}, badOrigin},
		{Ref{Origin: "https://" + strings.Repeat("a", 400), Context: "a"}, badOrigin},
		{Ref{Origin: origin, Context: ""}, badContext},
		{Ref{Origin: origin, Context: "a\ndelete-keychain"}, badContext},
		{Ref{Origin: origin, Context: "a\x00"}, badContext},
		{Ref{Origin: origin, Context: "a\xff"}, badContext},
		{Ref{Origin: origin, Context: "a\u202e"}, badContext},
		{Ref{Origin: origin, Context: strings.Repeat("a", 256)}, badContext},
		{Ref{Origin: origin, Context: "a", LocalDir: "data"}, "not an absolute path"},
		{Ref{Origin: origin, Context: "a", Store: Choice{Kind: "drawer"}}, `no session can be kept in "drawer"`},
		{Ref{Origin: origin, Context: "a", Store: Choice{Kind: KindFile}}, `no session can be kept in "file"`},
		{Ref{Origin: origin, Context: "a", Store: Choice{Kind: KindEnvironment}}, `no session can be kept in "environment"`},
	} {
		t.Run(fmt.Sprintf("%q", tc.ref), func(t *testing.T) {
			t.Parallel()
			ring := &memory{}
			s := New(Config{Keyring: ring})
			place := Kind("")
			if tc.ref.LocalDir != "" {
				place = KindFile
			}
			_, _, err := s.Get(t.Context(), tc.ref)
			wantError(t, err, "get", place, tc.reason, "")
			wantNoLeak(t, err, "hunter2-canary")
			_, err = s.Put(t.Context(), tc.ref, secret.New(secret.Session))
			wantError(t, err, "put", place, tc.reason, "")
			_, err = s.Delete(t.Context(), tc.ref)
			wantError(t, err, "delete", place, tc.reason, "")
			if ring.calls != 0 {
				t.Errorf("the keyring was called %d times", ring.calls)
			}
		})
	}
	for _, good := range []string{"http://127.0.0.1:7420", "http://[::1]:7420", "https://xn--exmple-cua.com", "http://localhost"} {
		if !isOrigin(good) {
			t.Errorf("isOrigin(%q) = false", good)
		}
	}
}

func TestBadChoice(t *testing.T) {
	t.Parallel()
	helper := func(name string) Choice { return Choice{KindHelper, name} }
	encrypted, plain := Choice{Kind: KindEncrypted}, Choice{Kind: KindPlain}
	for _, tc := range []struct {
		name, context, dir string
		store              Choice
		reason, hint       string
	}{
		{"no helper", "work", "", helper(""), "the name of the credential helper is empty", "give the absolute path"},
		{"newline in helper", "work", "", helper("a\nb"), "not printable", "absolute path"},
		{"NUL in helper", "work", "", helper("a\x00"), "not printable", "absolute path"},
		{"long helper", "work", "", helper(strings.Repeat("a", 5000)), "too long", "absolute path"},
		{"relative helper", "work", "", helper("./helper"), "is a relative path", "give its absolute path"},
		{"helper above", "work", "", helper("../helper"), "is a relative path", "give its absolute path"},
		{"helper is a folder", "work", "", helper(".."), "is a relative path", "give its absolute path"},
		{"encrypted without a folder", "work", "", encrypted, "is not an absolute path", "as an absolute path"},
		{"plain in a relative folder", "work", "data", plain, "is not an absolute path", "as an absolute path"},
		{"context leads out", "../work", "/nonexistent", plain, "can't name a file", "1 to 63 of a-z"},
		{"context is a path", "a/b", "/nonexistent", encrypted, "can't name a file", "1 to 63 of a-z"},
		{"context in capitals", "Work", "/nonexistent", encrypted, "can't name a file", "1 to 63 of a-z"},
		{"hidden context", ".work", "/nonexistent", plain, "can't name a file", "1 to 63 of a-z"},
		{"long context", strings.Repeat("a", 64), "/nonexistent", plain, "can't name a file", "1 to 63 of a-z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ref := Ref{Origin: origin, Context: tc.context, Store: tc.store}
			s := New(Config{Keyring: &memory{}, Dir: tc.dir, Passphrase: func(context.Context, string, bool) (string, error) {
				t.Error("the passphrase was asked for")
				return "", errors.New("no")
			}})
			_, _, err := s.Get(t.Context(), ref)
			wantError(t, err, "get", tc.store.Kind, tc.reason, tc.hint)
			_, err = s.Put(t.Context(), ref, secret.New(secret.Session))
			wantError(t, err, "put", tc.store.Kind, tc.reason, tc.hint)
			_, err = s.Delete(t.Context(), ref)
			wantError(t, err, "delete", tc.store.Kind, tc.reason, tc.hint)
		})
	}
}

func TestPlacesAreApart(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := cheapStore(Config{
		Keyring: &memory{}, Environ: helperEnv("works", t.TempDir()), Dir: dir, Passphrase: always("correct horse"),
	})
	refs := []Ref{remote(), in(Choice{KindHelper, myself(t)}), in(Choice{Kind: KindEncrypted}), in(Choice{Kind: KindPlain})}
	tokens := map[Ref]secret.Secret{}
	for _, ref := range refs {
		if _, _, err := s.Get(ctx, ref); !errors.Is(err, ErrNone) {
			t.Fatalf("%v: Get before Put: %v, want ErrNone", ref.Store, err)
		}
		tokens[ref] = secret.New(secret.Session)
		if _, err := s.Put(ctx, ref, tokens[ref]); err != nil {
			t.Fatal(err)
		}
	}
	for i, gone := range refs {
		if _, err := s.Delete(ctx, gone); err != nil {
			t.Fatal(err)
		}
		for j, ref := range refs {
			got, _, err := s.Get(ctx, ref)
			if j <= i && !errors.Is(err, ErrNone) || j > i && (err != nil || got != tokens[ref]) {
				t.Errorf("after Delete of %v: Get of %v = %v", gone.Store, ref.Store, err)
			}
		}
	}
}

func TestStoredIgnoresEnvironment(t *testing.T) {
	t.Parallel()
	ring, token := &memory{}, secret.New(secret.Session)
	s := New(Config{EnvToken: secret.New(secret.Session).Reveal(), Keyring: ring})
	if _, err := s.Put(t.Context(), remote(), token); err != nil {
		t.Fatal(err)
	}
	if got, at, err := s.Stored(t.Context(), remote()); err != nil || got != token || at.Kind != KindKeyring {
		t.Errorf("Stored = %v, %v, %v", got, at, err)
	}
	ring.items = map[[2]string]string{{"keyfob:" + origin, "work"}: "junk"}
	if _, _, err := s.Stored(t.Context(), remote()); !errors.Is(err, ErrUnusable) || errors.Is(err, ErrNone) {
		t.Errorf("Stored of junk: %v, want ErrUnusable", err)
	}
}

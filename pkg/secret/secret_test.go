package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/pkg/secret"
)

func TestNewHasThePublishedForm(t *testing.T) {
	t.Parallel()
	for kind, form := range map[secret.Kind]string{
		secret.Key:     `^kf_[0-9A-Za-z]{38}$`,
		secret.Session: `^kfs_[0-9A-Za-z]{38}$`,
	} {
		s := secret.New(kind)
		if !regexp.MustCompile(form).MatchString(s.Reveal()) {
			t.Errorf("New(%q) has not the form %s", kind, form)
		}
		back, err := secret.Parse(kind, s.Reveal())
		if err != nil || back != s {
			t.Errorf("Parse(New(%q)) = %v", kind, err)
		}
	}
}

// TestKnownChecksum pins the format: a secret made by an earlier version must stay valid.
func TestKnownChecksum(t *testing.T) {
	t.Parallel()
	const known = "kf_0123456789ABCDEFGHIJKLMNOPQRSTUV2it9Jo"
	if _, err := secret.Parse(secret.Key, known); err != nil {
		t.Errorf("Parse(%q) = %v", known, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := secret.New(secret.Key).Reveal()
	cases := map[string]struct {
		in   string
		want error
	}{
		"empty":             {"", secret.ErrForm},
		"prefix only":       {"kf_", secret.ErrForm},
		"hint":              {"kf_…abcd", secret.ErrForm},
		"space before":      {" " + good, secret.ErrForm},
		"newline after":     {good + "\n", secret.ErrForm},
		"bearer":            {"Bearer " + good, secret.ErrForm},
		"upper-case prefix": {"KF_" + good[3:], secret.ErrForm},
		"session":           {secret.New(secret.Session).Reveal(), secret.ErrForm},
		"NUL inside":        {good[:10] + "\x00" + good[11:], secret.ErrForm},
		"Cyrillic a":        {good[:10] + "а" + good[12:], secret.ErrForm},
		"too long":          {good + "0", secret.ErrForm},
		"cut short":         {good[:len(good)-1], secret.ErrForm},
		"1 MiB":             {"kf_" + strings.Repeat("a", 1<<20), secret.ErrForm},
	}
	for name, c := range cases {
		if _, err := secret.Parse(secret.Key, c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: Parse = %v, want %v", name, err, c.want)
		}
	}
}

// TestChecksumFindsEveryTypo holds that one changed character, or two neighbours swapped, never pass.
func TestChecksumFindsEveryTypo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		good := secret.New(secret.Key).Reveal()
		b := []byte(good)
		i := rapid.IntRange(len("kf_"), len(b)-2).Draw(t, "position")
		if rapid.Bool().Draw(t, "swap") {
			b[i], b[i+1] = b[i+1], b[i]
		} else {
			b[i] = rapid.SampledFrom([]byte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")).Draw(t, "character")
		}
		if string(b) == good {
			t.Skip("nothing changed")
		}
		if _, err := secret.Parse(secret.Key, string(b)); !errors.Is(err, secret.ErrChecksum) {
			t.Fatalf("%s passed for %s: %v", b, good, err)
		}
	})
}

func TestNothingPrintsTheSecret(t *testing.T) {
	t.Parallel()
	s := secret.New(secret.Key)
	doc, err := json.Marshal(map[string]any{"a": s, "b": &s, "c": []secret.Secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "any", struct{ S secret.Secret }{s})
	text, _ := s.MarshalText()
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d %v", s, s, s, s, s, s, s, struct{ S secret.Secret }{s}) + string(doc) + log.String() + string(text)
	if body := s.Reveal()[3 : len(s.Reveal())-4]; strings.Contains(all, body) || strings.Contains(all, fmt.Sprintf("%x", body)) {
		t.Errorf("the secret was printed: %s", all)
	}
	if want := "kf_…" + s.Reveal()[len(s.Reveal())-4:]; s.Hint() != want || s.String() != want {
		t.Errorf("hint %q, want %q", s.Hint(), want)
	}
	if (secret.Secret{}).Hint() != "" || !(secret.Secret{}).IsZero() {
		t.Error("the zero secret has a hint")
	}
}

func TestDigestDependsOnPepperAndSecret(t *testing.T) {
	t.Parallel()
	a, b := secret.New(secret.Key), secret.New(secret.Key)
	back, err := secret.Parse(secret.Key, a.Reveal())
	if err != nil || back.Digest([]byte("p")) != a.Digest([]byte("p")) {
		t.Error("the digest is not repeatable")
	}
	if a.Digest([]byte("p")) == a.Digest([]byte("q")) || a.Digest([]byte("p")) == b.Digest([]byte("p")) {
		t.Error("the digest does not depend on pepper and secret")
	}
}

func BenchmarkParse(b *testing.B) {
	s := secret.New(secret.Key).Reveal()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secret.Parse(secret.Key, s); err != nil {
			b.Fatal(err)
		}
	}
}

package core

import (
	"bytes"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

func TestSealedSecretsOpenOnlyInTheirPlace(t *testing.T) {
	t.Parallel()
	master, other := [32]byte{1}, [32]byte{2}
	wrapped, err := newDataKey(master, "org_1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := openDataKey(master, "org_1", wrapped)
	if err != nil || len(key) != dataKeyLen {
		t.Fatalf("%d bytes: %v", len(key), err)
	}
	if _, err := openDataKey(master, "org_2", wrapped); err == nil {
		t.Error("a data key opens for another org")
	}
	if _, err := openDataKey(other, "org_1", wrapped); err == nil {
		t.Error("a data key opens under another master key")
	}
	foreign, err := newDataKey(master, "org_1")
	if err != nil || bytes.Equal(foreign, wrapped) {
		t.Fatalf("the same data key twice: %v", err)
	}
	foreignKey, err := openDataKey(master, "org_1", foreign)
	if err != nil {
		t.Fatal(err)
	}

	sec := secret.New(secret.Key)
	sealed, err := sealSecret(key, "org_1", "key_1", 1, sec)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := openSecret(key, "org_1", "key_1", 1, sealed); err != nil || got.Reveal() != sec.Reveal() {
		t.Fatalf("it does not open in its place: %v", err)
	}
	if again, err := sealSecret(key, "org_1", "key_1", 1, sec); err != nil || bytes.Equal(again, sealed) {
		t.Errorf("the same nonce twice: %v", err)
	}
	for name, tt := range map[string]struct {
		key      []byte
		org, ref string
		version  int
		sealed   []byte
	}{
		"another org":      {key, "org_2", "key_1", 1, sealed},
		"another key":      {key, "org_1", "key_2", 1, sealed},
		"another version":  {key, "org_1", "key_1", 2, sealed},
		"another data key": {foreignKey, "org_1", "key_1", 1, sealed},
		"cut":              {key, "org_1", "key_1", 1, sealed[:len(sealed)-1]},
		"flipped":          {key, "org_1", "key_1", 1, append([]byte{sealed[0] ^ 1}, sealed[1:]...)},
		"empty":            {key, "org_1", "key_1", 1, nil},
		"a short key":      {key[:5], "org_1", "key_1", 1, sealed},
	} {
		if got, err := openSecret(tt.key, tt.org, tt.ref, tt.version, tt.sealed); err == nil || !got.IsZero() {
			t.Errorf("%s: it opens", name)
		}
	}
}

func TestShownNeverShowsASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(secret.Key).Reveal()
	session := secret.New(secret.Session).Reveal()
	for in, want := range map[string]string{
		s:                              "(a secret)",
		"a " + s + " b":                "(a secret)",
		session:                        "(a secret)",
		s[:30]:                         "(a secret)",
		"kfkf_kf" + s:                  "(a secret)",
		"kf":                           `"kf"`,
		"my_kf_key":                    `"my_kf_key"`,
		"kf_…abcd":                     `"kf_…abcd"`,
		"a\x1b[2J\u202e":               `"a\x1b[2J\u202e"`,
		"é":                            `"é"`,
		string(make([]byte, 1000))[:0]: `""`,
	} {
		if got := shown(in); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := shown(string(bytes.Repeat([]byte("é"), 1000))); len(got) > 100 {
		t.Errorf("%d bytes", len(got))
	}
}

package core_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
)

func TestPasswordHash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hash, err := core.PasswordHashForTest(t.Context(), f.svc, goodPassword)
	if err != nil || !regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`).MatchString(hash) {
		t.Fatalf("hash %q, %v", hash, err)
	}
	again, err := core.PasswordHashForTest(t.Context(), f.svc, goodPassword)
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are the same, %v", err)
	}
	const known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" // of the reference implementation's tests
	for name, tt := range map[string]struct {
		hash, password string
		want           bool
	}{
		"right":       {hash, goodPassword, true},
		"wrong":       {hash, goodPassword + ".", false},
		"known":       {known, "password", true},
		"known wrong": {known, "Password", false},
		"none":        {"", "", false},
	} {
		got, err := core.PasswordMatchesForTest(t.Context(), tt.hash, tt.password)
		if err != nil || got != tt.want {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
}

func TestHashesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const good = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, spoil := range [][2]string{
		{"argon2id", "argon2i"},
		{"v=19", "v=16"},
		{"m=19456,", ""},
		{"m=19456", "m=4294967295"},
		{"m=19456", "m=0"},
		{"t=2", "t=0"},
		{"t=2", "t=17"},
		{"p=1", "p=0"},
		{"p=1", "p=256"},
		{"p=1", "p=-1"},
		{"$AAAAAAAAAAAAAAAAAAAAAA$", "$$"},
		{"$AAAAAAAAAAAAAAAAAAAAAA$", "$!$"},
		{"$AAAAAAAAAAAAAAAAAAAAAA$", "$"},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "A"},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAA"},
		{good, "plain"},
	} {
		bad := strings.Replace(good, spoil[0], spoil[1], 1)
		if ok, err := core.PasswordMatchesForTest(t.Context(), bad, goodPassword); ok || err == nil {
			t.Errorf("%q: %t, %v", bad, ok, err)
		}
	}
}

// TestNobodyIsHashedForWhoLeft: a turn that never comes ends with who waits for it.
func TestNobodyIsHashedForWhoLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	defer core.HoldHashesForTest(f.svc, time.Hour)()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := core.PasswordHashForTest(ctx, f.svc, goodPassword); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

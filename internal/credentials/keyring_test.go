package credentials

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

func mustEncode(t *testing.T, origin string, token secret.Secret) string {
	t.Helper()
	value, err := encode(Ref{Origin: origin}, token)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestKeyringThatFails(t *testing.T) {
	t.Parallel()
	token, other := secret.New(secret.Session), secret.New(secret.Session)
	const (
		item    = "the OS keyring (keyfob:" + origin + ")"
		foreign = "it holds no session that keyfob wrote"
		locked  = "failed to unlock correct collection '/x'"
	)
	set := func(err error) func(string, string, string) error {
		return func(string, string, string) error { return err }
	}
	get := func(value string, err error) func(string, string) (string, error) {
		return func(string, string) (string, error) { return value, err }
	}
	for _, tc := range []struct {
		name         string
		ring         *memory
		op           string
		reason, hint string
		unavailable  bool
	}{
		{"put is dismissed", &memory{set: set(nil)}, "put", "was not stored: " + item + " took it and holds nothing", "confirm its prompt", false},
		{"put stores another", &memory{get: get(mustEncode(t, origin, other), nil)}, "put", "was not stored: " + item + " holds another value", "another sign-in", false},
		{"put stores half", &memory{get: get(mustEncode(t, origin, token)[:60], nil)}, "put", "holds another value", "try again", false},
		{"put can't be read back", &memory{get: get("", errors.New(locked))}, "put", "may not be stored: " + item + " took it, then: the OS keyring is locked", "unlock the keyring and try again, or set KEYFOB_TOKEN", true},
		{"put is locked", &memory{set: set(errors.New(locked))}, "put", "the OS keyring is locked", "or set KEYFOB_TOKEN", true},
		{"put panics", &memory{set: func(string, string, string) error { panic("index out of range") }}, "put", "something unreadable", "KEYFOB_TOKEN", true},
		{"get panics", &memory{get: func(string, string) (string, error) { panic(other) }}, "get", "something unreadable", "KEYFOB_TOKEN", true},
		{"get fails", &memory{get: get("", errors.New("exit status 36\n\x1b[2Jx"))}, "get", "the OS keyring failed: exit status 36 [2Jx", "KEYFOB_TOKEN", true},
		{"no service", &memory{get: get("", errors.New("The name org.freedesktop.secrets was not provided by any .service files"))}, "get", "no keyring runs in this session", "gnome-keyring", true},
		{"get finds junk", &memory{get: get("hunter2", nil)}, "get", item + " can't be used: it holds no session that keyfob wrote", "keyfob auth login", false},
		{"get finds nothing in it", &memory{get: get("", nil)}, "get", foreign, "keyfob auth login", false},
		{"get finds a bare token", &memory{get: get(other.Reveal(), nil)}, "get", foreign, "keyfob auth login", false},
		{"get finds a later version", &memory{get: get(strings.Replace(mustEncode(t, origin, other), `"v":1`, `"v":2`, 1), nil)}, "get", foreign, "keyfob auth login", false},
		{"get finds an API key", &memory{get: get(`{"v":1,"origin":"`+origin+`","token":"`+secret.New(secret.Key).Reveal()+`"}`, nil)}, "get", foreign, "keyfob auth login", false},
		{"get finds much", &memory{get: get(strings.Repeat(" ", maxRead)+mustEncode(t, origin, other), nil)}, "get", foreign, "keyfob auth login", false},
		{"get finds another origin", &memory{get: get(mustEncode(t, "https://evil.example.com", other), nil)}, "get", "its session is for another service", "keyfob auth login", false},
		{"get finds another port", &memory{get: get(mustEncode(t, origin+":8443", other), nil)}, "get", "its session is for another service", "keyfob auth login", false},
		{"delete fails", &memory{del: func(string, string) error { return errors.New("exit status 128") }}, "delete", "the OS keyring failed: exit status 128", "KEYFOB_TOKEN", true},
		{"delete is dismissed", &memory{del: func(string, string) error { return nil }, get: get(mustEncode(t, origin, other), nil)}, "delete", "was not removed", "confirm the keyring's prompt", false},
		{"errors echo the value", &memory{get: get("", errors.New("bad value "+mustEncode(t, origin, other)+" x"))}, "get", "the OS keyring failed: bad value (hidden) x", "KEYFOB_TOKEN", true},
		{"set echoes the value", &memory{set: func(_, _, value string) error { return errors.New(value) }}, "put", "the OS keyring failed: (hidden)", "KEYFOB_TOKEN", true},
		{"set panics with the value", &memory{set: func(_, _, value string) error { panic(value) }}, "put", "something unreadable", "KEYFOB_TOKEN", true},
		{"errors are long", &memory{get: get("", errors.New(strings.Repeat("é", 1000)))}, "get", strings.Repeat("é", 200) + "…", "KEYFOB_TOKEN", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := New(Config{Keyring: tc.ring})
			var err error
			switch tc.op {
			case "get":
				_, _, err = s.Get(t.Context(), remote())
			case "put":
				_, err = s.Put(t.Context(), remote(), token)
			case "delete":
				_, err = s.Delete(t.Context(), remote())
			}
			wantError(t, err, tc.op, KindKeyring, tc.reason, tc.hint)
			if got := errors.Is(err, ErrUnavailable); got != tc.unavailable {
				t.Errorf("Is(ErrUnavailable) = %v, want %v", got, tc.unavailable)
			}
			if errors.Is(err, ErrNone) {
				t.Error("a failure is ErrNone")
			}
			for _, canary := range []string{token.Reveal(), other.Reveal(), token.Reveal()[4:], other.Reveal()[4:]} {
				wantNoLeak(t, err, canary)
			}
		})
	}
}

// TestKeyringHangs runs on a clock of its own, so that whole seconds can be asserted exactly.
func TestKeyringHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		ring := &memory{get: func(string, string) (string, error) {
			calls++
			<-release
			return "", ErrNone
		}}
		s, start := New(Config{Keyring: ring}), time.Now()
		_, _, err := s.Get(t.Context(), remote())
		wantError(t, err, "get", KindKeyring, "the OS keyring did not answer within 3s", "or set KEYFOB_TOKEN")
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNone) {
			t.Errorf("error = %v, want ErrUnavailable", err)
		}
		_, err = s.Put(t.Context(), remote(), secret.New(secret.Session))
		wantError(t, err, "put", KindKeyring, "did not answer within 3s", "")
		_, err = s.Delete(t.Context(), remote())
		wantError(t, err, "delete", KindKeyring, "did not answer within 3s", "")
		took := time.Since(start)
		close(release) // the late answer goes nowhere, and its goroutine ends: synctest fails if one is left
		synctest.Wait()
		if took != 3*time.Second || calls != 1 {
			t.Errorf("three commands took %s and %d calls, want 3s and 1", took, calls)
		}
	})
}

func TestKeyringTimeIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ring := &memory{get: func(string, string) (string, error) {
			<-time.After(2 * time.Second) // on the bubble's clock
			return "", ErrNone
		}}
		s, start := New(Config{Keyring: ring}), time.Now()
		if _, _, err := s.Get(t.Context(), remote()); !errors.Is(err, ErrNone) {
			t.Fatalf("first Get: %v, want ErrNone", err)
		}
		if _, _, err := s.Get(t.Context(), remote()); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("second Get: %v, want ErrUnavailable", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("both took %s, want 3s", took)
		}
		<-time.After(2 * time.Second) // let the abandoned call end
	})
}

// TestKeyringThatIsSlow: what takes 2.9 s in all is fine, and 3 s is an error at that moment.
func TestKeyringThatIsSlow(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		set, get   time.Duration
		took       time.Duration
		successful bool
	}{
		{"2.9 s in all", 2 * time.Second, 900 * time.Millisecond, 2900 * time.Millisecond, true},
		{"all in one call", 2900 * time.Millisecond, 0, 2900 * time.Millisecond, true},
		{"3.1 s in all", 2 * time.Second, 1100 * time.Millisecond, 3 * time.Second, false},
		{"3.1 s in one call", 3100 * time.Millisecond, 0, 3 * time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				token := secret.New(secret.Session)
				value := mustEncode(t, origin, token)
				wait := func(d time.Duration) { <-time.After(d) } // on the bubble's clock
				ring := &memory{
					set: func(string, string, string) error { wait(tc.set); return nil },
					get: func(string, string) (string, error) { wait(tc.get); return value, nil },
				}
				s, start := New(Config{Keyring: ring}), time.Now()
				_, err := s.Put(t.Context(), remote(), token)
				if took := time.Since(start); took != tc.took || (err == nil) != tc.successful {
					t.Errorf("Put = %v after %s, want success %v after %s", err, took, tc.successful, tc.took)
				}
				wait(time.Second) // let an abandoned call end
			})
		})
	}
}

func TestKeyringCallersQueueForOneAllowance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ring := &memory{get: func(string, string) (string, error) { <-release; return "", ErrNone }}
		s, start := New(Config{Keyring: ring, Timeout: time.Second}), time.Now()
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, _, err := s.Get(t.Context(), remote()); !errors.Is(err, ErrUnavailable) {
					t.Errorf("Get: %v, want ErrUnavailable", err)
				}
			})
		}
		wg.Wait()
		took := time.Since(start)
		close(release)
		synctest.Wait()
		if took != time.Second || ring.calls != 1 {
			t.Errorf("16 callers took %s and %d calls, want 1s and 1", took, ring.calls)
		}
	})
}

func TestKeyringCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ring := &memory{get: func(string, string) (string, error) { <-release; return "", ErrNone }}
		s, start := New(Config{Keyring: ring}), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := s.Get(ctx, remote())
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) || time.Since(start) != time.Second {
			t.Errorf("Get = %v after %s, want DeadlineExceeded after 1s", err, time.Since(start))
		}
		_, err = s.Delete(t.Context(), remote())
		wantError(t, err, "delete", KindKeyring, "when the command was cancelled", "run it again")
		took := time.Since(start)
		close(release)
		synctest.Wait()
		if took != time.Second || ring.calls != 1 {
			t.Errorf("%d calls in %s, want 1 in 1s", ring.calls, took)
		}
	})
}

func TestKeyringFailureIsRemembered(t *testing.T) {
	t.Parallel()
	ring := &memory{get: func(string, string) (string, error) { return "", errors.New("exit status 36") }}
	s := New(Config{Keyring: ring})
	_, _, err := s.Get(t.Context(), remote())
	wantError(t, err, "get", KindKeyring, "exit status 36", "")
	_, err = s.Put(t.Context(), remote(), secret.New(secret.Session))
	wantError(t, err, "put", KindKeyring, "exit status 36", "")
	if ring.calls != 1 {
		t.Errorf("%d calls, want 1", ring.calls)
	}
}

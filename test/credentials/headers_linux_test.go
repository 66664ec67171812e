package credentials

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
	"github.com/keyfob/keyfob/test/credentials/testbus"
)

// TestHeadersFromTheKeyring: the header helper reads the secret from an item of its own in the real keyring, without the session,
// and asks nobody to unlock anything.
func TestHeadersFromTheKeyring(t *testing.T) {
	t.Parallel()
	b := testbus.New(t)
	stop := b.GnomeKeyring(t, "--unlock")
	url, home := service(t), t.TempDir()
	env := append(b.Env(), "KEYFOB_URL="+url)
	headers := func() outcome { return keyfob(t.Context(), home, env, "", "mcp", "headers", "--key", keyID) }
	if got := headers(); got.exit != 4 || got.stdout != "" || !strings.Contains(got.stderr, "not signed in") {
		t.Errorf("before the sign-in: %+v", got)
	}
	token := secret.New(secret.Session).Reveal()
	if got := keyfob(t.Context(), home, env, token+"\n", "auth", "login", "--with-token", "--url", url); got.exit != 0 {
		t.Fatalf("sign in: %+v", got)
	}
	first := headers()
	if first.exit != 0 || first.stderr != "" || !regexp.MustCompile(`^\{"Authorization":"Bearer kf_[0-9A-Za-z]{38}"\}\n$`).MatchString(first.stdout) {
		t.Fatalf("headers: %+v", first)
	}
	if got := keyfob(t.Context(), home, env, "", "auth", "logout"); got.exit != 0 {
		t.Fatalf("sign out: %+v", got)
	}
	var fastest time.Duration
	for range 20 {
		got := headers()
		if got.exit != 0 || got.stdout != first.stdout || got.stderr != "" {
			t.Fatalf("kept: %+v", got)
		}
		if fastest == 0 || got.took < fastest {
			fastest = got.took
		}
	}
	t.Logf("from the keyring in %s", fastest)
	value := regexp.MustCompile(`kf_[0-9A-Za-z]{38}`).FindString(first.stdout)
	if found := onDisk(t, home, value); len(found) > 0 {
		t.Errorf("the secret is in %v", found)
	}

	stop()
	b.GnomeKeyring(t) // locked, and without a prompter on this bus
	if got := headers(); got.exit != 4 || got.stdout != "" || !strings.Contains(got.stderr, "the OS keyring is locked") {
		t.Errorf("locked: %+v", got)
	}
}

// TestHeadersShowNoPrompt holds that a keyring which would ask is left alone.
func TestHeadersShowNoPrompt(t *testing.T) {
	t.Parallel()
	b := testbus.New(t)
	s := &testbus.Service{Ask: "Unlock", Prompt: "accept"}
	url := service(t)
	s.Holding(`{"v":1,"origin":"`+url+`","token":"`+secret.New(secret.Session).Reveal()+`"}`).Serve(t, b)
	env := []string{"DBUS_SESSION_BUS_ADDRESS=" + b.Address, "KEYFOB_URL=" + url}
	if got := keyfob(t.Context(), t.TempDir(), env, "", "mcp", "headers", "--key", keyID); got.exit != 4 || !strings.Contains(got.stderr, "locked") {
		t.Errorf("%+v", got)
	}
	if n := s.Prompts(); n != 0 {
		t.Errorf("%d prompts were shown", n)
	}
	if got := keyfob(t.Context(), t.TempDir(), env, "", "keys", "list"); got.exit != 0 || s.Prompts() != 1 {
		t.Errorf("a person is asked %d times: %+v", s.Prompts(), got)
	}
}

// TestHeadersWithToken: with KEYFOB_TOKEN neither keyring nor disk is touched.
func TestHeadersWithToken(t *testing.T) {
	t.Parallel()
	env, visitors := silentBus(t)
	env = append(env, "KEYFOB_URL="+service(t), "KEYFOB_TOKEN="+secret.New(secret.Session).Reveal())
	home := t.TempDir()
	for range 2 {
		if got := keyfob(t.Context(), home, env, "", "mcp", "headers", "--key", keyID); got.exit != 0 || got.stderr != "" {
			t.Errorf("%+v", got)
		}
	}
	if entries, err := os.ReadDir(home); visitors.Load() != 0 || err != nil || len(entries) != 0 {
		t.Errorf("the bus was asked %d times, and %v written (%v)", visitors.Load(), entries, err)
	}
}

// TestHeadersTogether: many helpers at the same moment, as a client starts them, all print the same and leave one whole file.
func TestHeadersTogether(t *testing.T) {
	t.Parallel()
	url, home := service(t), t.TempDir()
	env := []string{"KEYFOB_URL=" + url}
	token := secret.New(secret.Session).Reveal()
	if got := keyfob(t.Context(), home, env, token+"\n", "auth", "login", "--with-token", "--url", url, "--insecure-storage"); got.exit != 0 {
		t.Fatalf("sign in: %+v", got)
	}
	const helpers = 16
	all := make(chan outcome, helpers)
	for range helpers {
		go func() { all <- keyfob(t.Context(), home, nil, "", "mcp", "headers", "--key", keyID) }()
	}
	printed := map[string]bool{}
	for range helpers {
		got := <-all
		if got.exit != 0 || got.err != nil {
			t.Errorf("%+v", got)
		}
		printed[got.stdout] = true
	}
	if len(printed) != 1 {
		t.Errorf("printed %d different headers", len(printed))
	}
	var files []string
	for _, pattern := range []string{"*", ".*"} {
		found, err := filepath.Glob(filepath.Join(home, ".config", "keyfob", "credentials", "*.keys", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) != 1 || filepath.Base(files[0]) != keyID+".json" {
		t.Errorf("left %v", files)
	}
}

package daemon

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// TestFirstSetUp holds that the link is said while there is no account, once it works, and never in the log.
func TestFirstSetUp(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	r := start(t, dir, func(o *ServeOptions) { o.JSON, o.SetupLink = false, true })
	said := regexp.MustCompile(`(?m)^no account exists yet; make the first one within 24 hours at:\n(http://127\.0\.0\.1:\d+/setup/\w+)$`).FindStringSubmatch(r.log.String())
	if said == nil {
		t.Fatalf("it said %q", r.log.String())
	}
	if status, body := call(t, "GET", said[1], "", ""); status != http.StatusOK || !strings.Contains(body, "Create your organisation") {
		t.Errorf("the link answers %d: %s", status, body)
	}
	r.end()
	if token := filepath.Base(said[1]); strings.Count(r.log.String(), token) != 1 {
		t.Errorf("the log holds the link:\n%s", r.log)
	}

	again := start(t, dir, func(o *ServeOptions) { o.SetupLink = true })
	if !strings.Contains(again.line, `"setup_url":"http://127.0.0.1:`) || strings.Contains(again.log.String(), "no account") {
		t.Errorf("as JSON: %s\n%s", again.line, again.log)
	}
	if status, _ := call(t, "GET", again.url+"/setup/"+filepath.Base(said[1]), "", ""); status != http.StatusNotFound {
		t.Errorf("the earlier link answers %d", status)
	}
	again.end()

	bootstrap(t, dir)
	last := start(t, dir, func(o *ServeOptions) { o.SetupLink = true })
	if strings.Contains(last.line, "setup_url") {
		t.Errorf("with an account there is a link: %s", last.line)
	}
	last.end()
}

// TestSetupLink makes a link for a new password, beside a running service and without one.
func TestSetupLink(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	noError(t, bootstrapRun(t.Context(), &BootstrapOptions{
		DataDir: dir, OrgSlug: "acme", OrgName: "Acme", UserName: "ada", Email: "Ada@Example.com", Out: io.Discard, ErrOut: io.Discard, Now: time.Now,
	}))
	link := func(email, public string) (string, error) {
		var out bytes.Buffer
		err := setupLinkRun(t.Context(), &SetupLinkOptions{DataDir: dir, Email: email, PublicURL: public, Out: &out, ErrOut: io.Discard, Now: time.Now})
		return strings.TrimSpace(out.String()), err
	}
	if got, err := link("ada@example.com", ""); err == nil || got != "" || cliutil.Describe(err).Hint != "say it with --public-url" {
		t.Errorf("without a service: %q, %v", got, err)
	}
	if got, err := link("ada@example.com", "https://keys.example.com"); err != nil || !strings.HasPrefix(got, "https://keys.example.com/setup/") {
		t.Errorf("with a URL: %q, %v", got, err)
	}
	r := start(t, dir, nil)
	got, err := link("ada@example.com", "")
	noError(t, err)
	if status, body := call(t, "GET", got, "", ""); status != http.StatusOK || !strings.Contains(body, "New password") {
		t.Errorf("%s answers %d: %s", got, status, body)
	}
	for email, public := range map[string]string{"": "", "nobody@example.com": "", "no address": "", "ada@example.com": "ftp://x"} {
		if got, err := link(email, public); err == nil || got != "" {
			t.Errorf("%q at %q: %q", email, public, got)
		}
	}
	r.end()
}

// TestSignInOptions refuses what can't work before anything is made.
func TestSignInOptions(t *testing.T) {
	t.Parallel()
	good := SignIn{Issuer: "https://login.example.com", ClientID: "keyfob", Joins: []string{"example.com=acme:member", "b.example=acme:admin"}}
	if joins, err := good.rules(); err != nil || len(joins) != 2 || joins[0].Domain != "example.com" || joins[1].Role != "admin" {
		t.Errorf("%+v, %v", joins, err)
	}
	for _, bad := range []SignIn{
		{ClientID: "keyfob"},
		{SecretFile: "x"},
		{Joins: good.Joins},
		{Issuer: good.Issuer},
		{Issuer: "http://login.example.com", ClientID: "keyfob"},
		{Issuer: "login.example.com", ClientID: "keyfob"},
		{Issuer: good.Issuer, ClientID: "keyfob", Joins: []string{"example.com"}},
		{Issuer: good.Issuer, ClientID: "keyfob", Joins: []string{"example.com=acme"}},
		{Issuer: good.Issuer, ClientID: "keyfob", Joins: []string{"=acme:member"}},
		{Issuer: good.Issuer, ClientID: "keyfob", Joins: []string{"example.com=acme:owner"}},
		{Issuer: good.Issuer, ClientID: "keyfob", Joins: []string{"example.com=acme:king"}},
	} {
		var usage *cliutil.Error
		if _, err := bad.rules(); !errors.As(err, &usage) || usage.Exit != cliutil.ExitUsage {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestClientSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	read := func(text string, mode os.FileMode) (string, error) {
		noError(t, os.WriteFile(path, []byte(text), 0o600))
		noError(t, os.Chmod(path, mode))
		return SignIn{SecretFile: path}.clientSecret()
	}
	if got, err := read("s3cret-of-the-client\n", 0o600); err != nil || got != "s3cret-of-the-client" {
		t.Errorf("%q, %v", got, err)
	}
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"open to others": {"s3cret-of-the-client", 0o640},
		"empty":          {"\n", 0o600},
		"two lines":      {"s3cret-of-the-client\nmore\n", 0o600},
		"too long":       {strings.Repeat("s3cret-of-the-client", 400), 0o600},
	} {
		if got, err := read(tt.text, tt.mode); err == nil || got != "" || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, at := range []string{t.TempDir(), path + "-not-there"} {
		if _, err := (SignIn{SecretFile: at}).clientSecret(); err == nil {
			t.Errorf("%s was read", at)
		}
	}
}

package client_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://keys.example.com":       "https://keys.example.com",
		"HTTPS://Keys.Example.com/":      "https://keys.example.com",
		"https://keys.example.com:8443":  "https://keys.example.com:8443",
		"http://127.0.0.1:7420":          "http://127.0.0.1:7420",
		"http://[::1]:7420/":             "http://[::1]:7420",
		"http://localhost:7420":          "http://localhost:7420",
		"http://LocalHost:7420":          "http://localhost:7420",
		"https://example.com:65535":      "https://example.com:65535",
		"https://example.com:65536":      "error",
		"http://127.0.0.1:0":             "error",
		"":                               "error",
		"keys.example.com":               "error",
		"//keys.example.com":             "error",
		"https:/keys.example.com":        "error",
		"https://":                       "error",
		"ftp://keys.example.com":         "error",
		"file:///etc/passwd":             "error",
		"javascript:alert(1)":            "error",
		"http://keys.example.com":        "error",
		"http://10.0.0.1":                "error",
		"http://127.0.0.1.example.com":   "error",
		"https://ada:s3cret@example.com": "error",
		"https://good@evil/":             "error",
		"https://example.com/path":       "error",
		"https://example.com?x=s3cret":   "error",
		"https://example.com#x":          "error",
		"https://a\\@b/":                 "error",
		"https://example.com\n":          "error",
	} {
		got, err := client.ParseURL(in)
		if want == "error" {
			if _, ok := errors.AsType[*client.URLError](err); !ok {
				t.Errorf("ParseURL(%q) = %v, %v, want a URLError", in, got, err)
			} else if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("ParseURL(%q): the error shows a credential: %v", in, err)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("ParseURL(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
}

func newClient(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL, Token: secret.New(secret.Session), UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRedirectsCarryNothing holds that no request follows a redirect, whatever the method.
func TestRedirectsCarryNothing(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := newClient(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/v1/session", status) })
		_, err := c.Session(t.Context())
		var answered *client.Error
		if !errors.As(err, &answered) || answered.Code != client.CodeOddAnswer || answered.Status != status {
			t.Errorf("%d: %v", status, err)
		}
		if err := c.SignOut(t.Context()); err == nil {
			t.Errorf("%d: SignOut reported success", status)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		contentType, body string
		status            int
		code              api.Code
	}{
		"HTML":              {"text/html", "<h1>hi</h1>", 200, client.CodeOddAnswer},
		"empty":             {"application/json", "", 200, client.CodeOddAnswer},
		"no type":           {"", "{}", 200, client.CodeOddAnswer},
		"a list":            {"application/json", "[]", 200, client.CodeOddAnswer},
		"trailing":          {"application/json", `{}{}`, 200, client.CodeOddAnswer},
		"deep":              {"application/json", strings.Repeat("[", 20000), 200, client.CodeOddAnswer},
		"too long":          {"application/json", `{"user":{"id":"` + strings.Repeat("x", 17<<20) + `"}}`, 200, client.CodeOddAnswer},
		"a problem":         {"application/problem+json", `{"status":409,"code":"name-taken","detail":"taken"}`, 409, api.CodeNameTaken},
		"204":               {"", "", 204, client.CodeOddAnswer},
		"304":               {"", "", 304, client.CodeOddAnswer},
		"null":              {"application/json", "null and more", 200, client.CodeOddAnswer},
		"wrong types":       {"application/json", `{"user":1}`, 200, client.CodeOddAnswer},
		"a big number":      {"application/json", `{"user":{"id":1e999}}`, 200, client.CodeOddAnswer},
		"a BOM":             {"application/json", "\ufeff{}", 200, client.CodeOddAnswer},
		"an unknown status": {"text/plain", "teapot", 418, ""},
		"a broken problem":  {"application/problem+json", `{"code":`, 500, ""},
	}
	for name, tc := range cases {
		c := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{tc.contentType}
			w.Header().Set("Request-Id", "req_1")
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, tc.body)
		})
		_, err := c.Session(t.Context())
		var answered *client.Error
		if !errors.As(err, &answered) || answered.Code != tc.code || answered.Status != tc.status || answered.RequestID != "req_1" {
			t.Errorf("%s: %#v, want code %q and status %d", name, err, tc.code, tc.status)
		}
	}
}

func TestUnreachableAndCancelled(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Config{URL: "http://127.0.0.1:1", Token: secret.New(secret.Session)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Session(t.Context())
	if _, ok := errors.AsType[*client.UnreachableError](err); !ok {
		t.Errorf("nobody listens: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := newClient(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := waiting.Session(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestListEnds holds that a list that leads in a circle, or on from an empty page, is an error rather than a hang.
func TestListEnds(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]string{
		"a circle":    `{"keys":[{"id":"key_1"}],"next_page_token":"again"}`,
		"empty pages": `{"keys":[],"next_page_token":"more"}`,
	} {
		c := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, page)
		})
		var last error
		for _, err := range c.Keys(t.Context(), "acme", client.ListKeysOptions{}) {
			last = err
		}
		var answered *client.Error
		if !errors.As(last, &answered) || answered.Code != client.CodeOddAnswer {
			t.Errorf("%s: %v", name, last)
		}
	}
}

// TestNamesInPaths holds that a name reaches the service as it is.
func TestNamesInPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ci", "a/b", "100%", "a b", "..", "ü", "?x", "#", "%2e%2e", ";a=b"} {
		var got string
		mux := http.NewServeMux()
		mux.HandleFunc("GET /v1/orgs/{org}/keys/{key}", func(w http.ResponseWriter, r *http.Request) {
			got = r.PathValue("key")
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"key":{"id":"key_1"}}`)
		})
		c := newClient(t, mux.ServeHTTP)
		key, err := c.Key(t.Context(), "acme", name)
		if name == ".." {
			continue // no path can carry it; the service refuses such a name
		}
		if err != nil || key.ID != "key_1" || got != name {
			t.Errorf("%q arrived as %q: %v", name, got, err)
		}
	}
}

func TestOnlyTheOriginsCredentialIsSent(t *testing.T) {
	t.Parallel()
	key := secret.New(secret.Key)
	var auth string
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Authorization")
		if strings.Contains(r.URL.String(), "kf") {
			t.Errorf("a secret in the URL: %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{}`)
	})
	if _, err := c.Self(t.Context(), key); err != nil || auth != "Bearer "+key.Reveal() {
		t.Errorf("Self sent %q: %v", auth, err)
	}
	if _, err := c.Session(t.Context()); err != nil || !strings.HasPrefix(auth, "Bearer kfs_") {
		t.Errorf("Session did not send the session: %v", err)
	}
}

// TestBrokenConnections holds that a connection which can't be trusted or ends early is no answer.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(untrusted.Close)
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
	}))
	t.Cleanup(cut.Close)
	headers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", strings.Repeat("x", 1<<20))
	}))
	t.Cleanup(headers.Close)
	for name, url := range map[string]string{"an unknown certificate": untrusted.URL, "cut short": cut.URL, "a 1 MiB header": headers.URL} {
		c, err := client.New(client.Config{URL: url, Token: secret.New(secret.Session)})
		if err != nil {
			t.Fatal(err)
		}
		// A change is asked for: it is not tried again.
		_, err = c.UpdateKey(t.Context(), "acme", "ci", api.UpdateKeyRequest{})
		var unreachable *client.UnreachableError
		if !errors.As(err, &unreachable) || len(err.Error()) > 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoSecretInURLs holds that a secret given in the place of a name goes nowhere.
func TestNoSecretInURLs(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL.Path) })
	s := secret.New(secret.Key).Reveal()
	_, err := c.Key(t.Context(), "acme", s)
	for _, next := range c.Events(t.Context(), "acme", client.ListEventsOptions{Key: s}) {
		err = errors.Join(err, next)
	}
	err = errors.Join(err, c.DeleteKey(t.Context(), s, "ci", client.DeleteKeyOptions{}))
	var answered *client.Error
	if !errors.As(err, &answered) || answered.Code != api.CodeInvalidRequest || strings.Contains(err.Error(), s[3:]) || strings.Count(err.Error(), "not by its secret") != 3 {
		t.Errorf("%v", err)
	}
}

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// signIns is a service whose /v1/device/code answers with start and whose /v1/device/token with one of polls after the other.
func signIns(t *testing.T, start map[string]any, polls ...http.HandlerFunc) *client.Client {
	t.Helper()
	var asked atomic.Int32
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	doc := map[string]any{
		"device_code": "dev", "user_code": "BCDF-GHJK", "verification_uri": server.URL + "/device",
		"verification_uri_complete": server.URL + "/device?code=BCDF-GHJK", "expires_in": 600, "interval": 1,
	}
	for name, value := range start {
		if text, ok := value.(string); ok {
			value = strings.ReplaceAll(text, "SELF", server.URL)
		}
		doc[name] = value
	}
	mux.HandleFunc("POST /v1/device/code", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") != "keyfob" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked with %v", r.Form)
		}
		writeJSON(t, w, http.StatusOK, doc)
	})
	mux.HandleFunc("POST /v1/device/token", func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		if r.FormValue("device_code") != "dev" || r.FormValue("grant_type") != api.DeviceGrantType || n >= len(polls) {
			t.Errorf("poll %d with %v", n, r.Form)
			return
		}
		polls[n](w, r)
	})
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func oauth(t *testing.T, status int, code api.OAuthCode) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(t, w, status, api.OAuthError{Code: code, Description: "because"})
	}
}

// TestDeviceSignIn polls through what a service may say before the person has decided.
func TestDeviceSignIn(t *testing.T) {
	t.Parallel()
	token := secret.New(secret.Session)
	good := func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(t, w, http.StatusOK, api.AccessToken{AccessToken: token.Reveal(), TokenType: "Bearer", ExpiresIn: 60})
	}
	bad := func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(t, w, http.StatusOK, map[string]string{"access_token": "kfs_short"})
	}
	pending := oauth(t, http.StatusBadRequest, api.OAuthPending)
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		writeJSON(t, w, http.StatusOK, api.AccessToken{AccessToken: token.Reveal()})
	}
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	t.Cleanup(func() {
		other.Close()
		if n := leaked.Load(); n > 0 {
			t.Errorf("%d polls went elsewhere", n)
		}
	})
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}
	away := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	for name, tt := range map[string]struct {
		polls []http.HandlerFunc
		want  error
	}{
		"approved":     {[]http.HandlerFunc{pending, good}, nil},
		"away between": {[]http.HandlerFunc{away, good}, nil},
		"answer cut":   {[]http.HandlerFunc{cut, good}, nil},
		"sent away":    {[]http.HandlerFunc{elsewhere}, &client.Error{}},
		"denied":       {[]http.HandlerFunc{oauth(t, http.StatusBadRequest, api.OAuthDenied)}, client.ErrDenied},
		"expired":      {[]http.HandlerFunc{oauth(t, http.StatusBadRequest, api.OAuthExpired)}, client.ErrExpired},
		"another code": {[]http.HandlerFunc{oauth(t, http.StatusBadRequest, api.OAuthInvalidGrant)}, &client.Error{}},
		"no token":     {[]http.HandlerFunc{bad}, &client.Error{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := signIns(t, nil, tt.polls...)
			d, err := c.StartDevice(t.Context(), "keyfob", "laptop")
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.AwaitDevice(t.Context(), d)
			var answered *client.Error
			switch {
			case tt.want == nil && (err != nil || got.Reveal() != token.Reveal()):
				t.Errorf("%v", err)
			case errors.As(tt.want, &answered) && !errors.As(err, &answered):
				t.Errorf("%v, want an answer that fails", err)
			case tt.want != nil && !errors.As(tt.want, &answered) && !errors.Is(err, tt.want):
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// TestHostileSignIn holds that only the service's own page is ever opened, and that no time it names is obeyed blindly
// (security-reliability.md's inputs 62, 66 and 67).
func TestHostileSignIn(t *testing.T) {
	t.Parallel()
	for _, page := range []string{
		"javascript:alert(1)", "file:///etc/passwd", "vscode:x", "-a", "", "https://good@evil.example/device", "SELF@evil.example/device",
		"https://evil.example/device", "http://127.0.0.1:1/device", "SELF\n/device", "//evil.example/device", "/device",
	} {
		for _, member := range []string{"verification_uri", "verification_uri_complete"} {
			c := signIns(t, map[string]any{member: page})
			if d, err := c.StartDevice(t.Context(), "keyfob", ""); !isOdd(err) {
				t.Errorf("%s %q: %+v, %v", member, page, d.URL, err)
			}
		}
	}
	for name, start := range map[string]map[string]any{
		"no time":          {"expires_in": 0},
		"time gone by":     {"expires_in": -5},
		"no code":          {"user_code": ""},
		"escapes":          {"user_code": "\x1b[2J"},
		"a page of code":   {"user_code": strings.Repeat("B", 4096)},
		"no device code":   {"device_code": ""},
		"time as a string": {"expires_in": "soon"},
	} {
		c := signIns(t, start)
		if _, err := c.StartDevice(t.Context(), "keyfob", ""); !isOdd(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, interval := range []int64{-7, 0} {
		c := signIns(t, map[string]any{"expires_in": int64(1e12), "interval": interval})
		d, err := c.StartDevice(t.Context(), "keyfob", "")
		if err != nil || d.Lifetime != 30*time.Minute {
			t.Errorf("a time without end: %s, %v", d.Lifetime, err)
		}
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second-time.Nanosecond)
			defer cancel()
			if _, err := c.AwaitDevice(ctx, d); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("interval %d: it polls within a second: %v", interval, err)
			}
		})
	}
}

// TestDeviceWaitEnds holds that waiting ends with the code's life and with Ctrl-C, with no service to ask.
func TestDeviceWaitEnds(t *testing.T) {
	t.Parallel()
	c := signIns(t, nil)
	d, err := c.StartDevice(t.Context(), "keyfob", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.AwaitDevice(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		d.Lifetime = 900 * time.Millisecond // before the first poll
		if _, err := c.AwaitDevice(t.Context(), d); !errors.Is(err, client.ErrExpired) {
			t.Errorf("the end of the code: %v", err)
		}
	})
}

func isOdd(err error) bool {
	var answered *client.Error
	return errors.As(err, &answered) && answered.Code == client.CodeOddAnswer
}

func writeJSON(t *testing.T, w http.ResponseWriter, status int, v any) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		t.Log(err)
	}
}

package browser_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/browser"
)

const link = `cursor://anysphere.cursor-deeplink/mcp/install?name=keyfob&config=eyJ1cmwiOiJ4In0%3D`

func get(t *testing.T, target, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestHandoff holds that the opener sees no part of the link, that guesses and foreign names get nothing, and that the page
// works once.
func TestHandoff(t *testing.T) {
	t.Parallel()
	err := browser.Handoff(t.Context(), link, "Add to Cursor", func(opened string) error {
		if strings.Contains(opened, "cursor") || strings.Contains(opened, "eyJ1") {
			t.Errorf("the opener got the link: %s", opened)
		}
		u, err := url.Parse(opened)
		if err != nil || u.Hostname() != "127.0.0.1" || len(u.Path) < 20 {
			t.Fatalf("opened %s: %v", opened, err)
		}
		if status, _ := get(t, "http://"+u.Host+"/", ""); status != http.StatusNotFound {
			t.Errorf("a guess: %d", status)
		}
		if status, _ := get(t, opened, "evil.example"); status != http.StatusNotFound {
			t.Errorf("a rebound name: %d", status)
		}
		status, body := get(t, opened, "")
		if status != http.StatusOK || !strings.Contains(body, strings.ReplaceAll(link, "&", "&amp;")) {
			t.Errorf("the page: %d %s", status, body)
		}
		if status, body := get(t, opened, ""); status != http.StatusGone || strings.Contains(body, "cursor:") {
			t.Errorf("a second time: %d", status)
		}
		return nil
	})
	if err != nil {
		t.Errorf("Handoff = %v", err)
	}
}

func TestHandoffFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("no opener")
	if err := browser.Handoff(t.Context(), link, "x", func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a broken opener: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := browser.Handoff(ctx, link, "x", func(string) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

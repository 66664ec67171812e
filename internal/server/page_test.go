package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

// testPages stand for those of the package that writes them.
func testPages() []Page {
	show := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<p>"+r.PathValue("token"))
	}
	return []Page{
		{"GET", "/setup/{token}", show},
		{"POST", "/setup/{token}", func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
			show(w, r)
		}},
		{"GET", "/pages/style.css", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-store, no-transform")
			w.Header().Set("Content-Type", "text/css")
		}},
		{"POST", "/sign-out", func(http.ResponseWriter, *http.Request) { panic("broken") }},
	}
}

func TestPagesAreServed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	a := h.call("GET", "/setup/secretive", "").want(http.StatusOK)
	if got := a.header.Get("Content-Type"); got != "text/html; charset=utf-8" || string(a.body) != "<p>secretive" {
		t.Errorf("%s %s", got, a.body)
	}
	if got := a.header.Get("Request-Id"); !strings.HasPrefix(got, "req_") {
		t.Errorf("Request-Id %q", got)
	}
	if got := h.call("GET", "/pages/style.css", "").want(http.StatusOK).header.Get("Cache-Control"); got != "no-store, no-transform" {
		t.Errorf("a page could not overwrite Cache-Control: %q", got)
	}
	for _, origin := range []string{"https://evil.example", "null"} { // pages look at it themselves
		h.call("POST", "/setup/secretive", "a=b", "Origin", origin, "Content-Type", mediaForm).want(http.StatusOK)
	}
	large := "a=" + strings.Repeat("b", maxBody)
	h.call("POST", "/setup/secretive", large, "Content-Type", mediaForm).want(http.StatusRequestEntityTooLarge)
	h.call("GET", "/setup/secretive", "", "Host", "evil.example").problem(api.CodeHostNotAllowed)
	h.call("POST", "/sign-out", "").problem(api.CodeInternal)

	h.call("GET", "/setup/secretive/", "").problem(api.CodeNotFound)
	h.call("GET", "/setup//secretive", "").problem(api.CodeNotFound)
	h.call("GET", "/setup/", "").problem(api.CodeNotFound)
	h.call("GET", "/sign-in", "").problem(api.CodeNotFound)
	put := h.call("PUT", "/setup/secretive", "")
	put.problem(api.CodeMethodNotAllowed)
	if got := put.header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow %q", got)
	}
}

func TestALinkIsNotLogged(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, method := range []string{"GET", "POST", "HEAD", "PUT", "secretive"} {
		for _, path := range []string{"/setup/secretive", "/setup/secretive/", "/setup//secretive", "/setup/%73ecretive?secretive=secretive"} {
			h.call(method, path, "", "Referer", "https://keys.example.com/setup/secretive")
		}
	}
	log := h.log.String()
	if strings.Contains(strings.ToLower(log), "secretive") {
		t.Errorf("the log holds the token of a link:\n%s", log)
	}
	for _, want := range []string{`route="GET /setup/{token}" status=200`, `route="POST /setup/{token}" status=200`, `method=PUT route="" status=405`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}

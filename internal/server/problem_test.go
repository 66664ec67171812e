package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestPathsWithoutARoute(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/session/", "/V1/session", "//v1/session", "/v1//session", "/v1/./session", "/x/../v1/session",
		"/v1/orgs/acme", "/v1/orgs//keys", "/v1/orgs/acme/keys/", "/v1/orgs/acme/keys/k/nosuch", "/healthz/x", "/mcp/",
		"/v1/%73ession/x", "/openapi.yaml",
	} {
		h.as(h.acme, "GET", path, "").problem(api.CodeNotFound)
	}
	tests := map[string]string{
		"PUT /v1/session": "DELETE, GET, HEAD", "DELETE /v1/orgs": "GET, HEAD", "PUT /v1/orgs/acme/keys/k": "DELETE, GET, HEAD, PATCH",
		"GET /v1/orgs/acme/keys/k/disable": "POST", "BREW /healthz": "GET, HEAD", "OPTIONS /v1/orgs": "GET, HEAD",
	}
	for request, allow := range tests {
		method, path, _ := strings.Cut(request, " ")
		a := h.as(h.acme, method, path, "")
		a.problem(api.CodeMethodNotAllowed)
		if got := a.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", request, got, allow)
		}
	}
	head := h.as(h.acme, "HEAD", "/v1/session", "").want(http.StatusOK)
	if len(head.body) != 0 {
		t.Errorf("HEAD answered %s", head.body)
	}
}

// broken is a Server whose only route fails as told.
func broken(h *harness, handle func(http.ResponseWriter, *http.Request) error) *Server {
	s := New(h.server.Config)
	s.mux.Handle("GET /broken/{x}", &endpoint{server: s, route: route{pattern: "/broken/{x}", access: access{authNone, handle}}})
	return s
}

func TestFaultsAreLoggedNotTold(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const cause = "disk /dev/cause failed"
	tests := map[string]struct {
		handle func(http.ResponseWriter, *http.Request) error
		code   api.Code
		logged string
	}{
		"error":   {func(http.ResponseWriter, *http.Request) error { return errors.New(cause) }, api.CodeInternal, cause},
		"panic":   {func(http.ResponseWriter, *http.Request) error { panic(cause) }, api.CodeInternal, "problem_test.go"},
		"runtime": {func(_ http.ResponseWriter, r *http.Request) error { return r.MultipartForm.RemoveAll() }, api.CodeInternal, "nil pointer"},
		"coded": {func(http.ResponseWriter, *http.Request) error {
			return &core.Error{Code: api.CodeInternal, Detail: cause}
		}, api.CodeInternal, cause},
		"no code":   {func(http.ResponseWriter, *http.Request) error { return &core.Error{Code: "new", Detail: "detail"} }, "new", "detail"},
		"deadline":  {func(http.ResponseWriter, *http.Request) error { return fmt.Errorf("x: %w", context.DeadlineExceeded) }, api.CodeUnavailable, "deadline"},
		"cancelled": {func(http.ResponseWriter, *http.Request) error { return context.Canceled }, api.CodeUnavailable, "canceled"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "http://localhost/broken/x?api_key=kf_query", nil)
			r.Header.Set("Authorization", "Bearer kf_header")
			broken(h, tt.handle).ServeHTTP(rec, r)
			info, _ := tt.code.Info()
			body := rec.Body.String()
			if rec.Code != info.Status || !strings.Contains(body, `"code":"`+string(tt.code)+`"`) || strings.Contains(body, cause) {
				t.Errorf("%d %s", rec.Code, body)
			}
			log := h.log.String()
			for _, want := range []string{tt.logged, rec.Header().Get("Request-Id"), `route="GET /broken/{x}"`} {
				if !strings.Contains(log, want) {
					t.Errorf("the log lacks %q:\n%s", want, log)
				}
			}
			for _, secret := range []string{"kf_query", "kf_header", "/broken/x"} {
				if strings.Contains(log, secret) {
					t.Errorf("the log holds %q:\n%s", secret, log)
				}
			}
		})
	}
}

func TestTooManyTriesSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	rec := httptest.NewRecorder()
	broken(h, func(http.ResponseWriter, *http.Request) error {
		return fmt.Errorf("x: %w", &core.Error{Code: api.CodeTooManyTries, Detail: "too many tries", RetryAfter: 90*time.Second + 1})
	}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "http://localhost/broken/x", nil))
	answer{t, rec.Code, rec.Header(), rec.Body.Bytes()}.problem(api.CodeTooManyTries)
	if got := rec.Header().Get("Retry-After"); got != "91" {
		t.Errorf("Retry-After %q", got)
	}
}

func TestAPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	web := httptest.NewServer(broken(h, func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte(`{"half":`))
		_ = http.NewResponseController(w).Flush()
		panic("too late")
	}))
	defer web.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+"/broken/x", nil)
	noError(t, err)
	resp, err := web.Client().Do(req)
	noError(t, err)
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if _, err := resp.Body.Read(make([]byte, 100)); err == nil || err.Error() == "EOF" {
		t.Errorf("the answer ended as if it were whole: %v", err)
	}
}

func TestEveryRequestIsLoggedOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ids := map[string]bool{}
	for _, path := range []string{"/v1/session", "/v1/orgs/acme/keys?page_token=secretive", "/nosuch/secretive", "/healthz"} {
		ids[h.as(h.acme, "GET", path, "", "Request-Id", "req_mine").header.Get("Request-Id")] = true
	}
	if len(ids) != 4 || ids["req_mine"] {
		t.Errorf("request ids %v", ids)
	}
	log := h.log.String()
	for id := range ids {
		if got := strings.Count(log, "msg=request method=GET") - strings.Count(strings.ReplaceAll(log, id, ""), "msg=request method=GET"); got != 0 {
			t.Errorf("%s", log)
		}
		if strings.Count(log, id) != 1 {
			t.Errorf("%s is logged %d times", id, strings.Count(log, id))
		}
	}
	if strings.Contains(log, "secretive") || strings.Contains(log, "kfs_") {
		t.Errorf("the log holds a path, a query or a token:\n%s", log)
	}
	if !strings.Contains(log, `route="GET /v1/orgs/{org}/keys" status=400`) {
		t.Errorf("no line as expected:\n%s", log)
	}
}

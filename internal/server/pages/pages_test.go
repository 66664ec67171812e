package pages

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestEveryMemberOfTheConfigIsNeeded(t *testing.T) {
	t.Parallel()
	whole := newHarness(t).pages.Config
	if _, err := New(whole); err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[Config]().NumField() {
		cfg := whole
		member := reflect.ValueOf(&cfg).Elem().Field(i)
		member.SetZero()
		name := reflect.TypeFor[Config]().Field(i).Name
		if _, err := New(cfg); (err != nil) != (name != "OpenID") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// every is one request to each page, in a state where it answers something.
func every(t *testing.T, h *harness) map[string]answer {
	t.Helper()
	b := h.browser()
	token := b.token()
	out := map[string]answer{}
	for _, r := range h.pages.Routes() {
		path := strings.ReplaceAll(r.Pattern, "{token}", "none")
		if r.Method == http.MethodPost {
			out[r.Method+" "+r.Pattern] = b.post(path, token, form{"email": "x", "password": "y"})
		} else {
			out[r.Method+" "+r.Pattern] = b.get(path)
		}
	}
	return out
}

func TestEveryPageKeepsToItself(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; " +
			"frame-ancestors 'none'; base-uri 'none'",
		"X-Frame-Options":            "DENY",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Referrer-Policy":            "same-origin",
		"X-Content-Type-Options":     "nosniff",
		"Cache-Control":              "no-store",
		"Request-Id":                 testRequestID,
	}
	for name, a := range every(t, newHarness(t)) {
		for header, value := range want {
			if got := a.header.Values(header); len(got) != 1 || got[0] != value {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
	}
}

// TestPagesHoldNoScriptStyleOrForeignThing reads the pages as they are written: what the policy would block is not there.
func TestPagesHoldNoScriptStyleOrForeignThing(t *testing.T) {
	t.Parallel()
	files, err := assets.ReadDir("assets")
	noError(t, err)
	bad := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|javascript:|<iframe|<svg|@import|url\(|https?://`)
	for _, f := range files {
		text, err := assets.ReadFile("assets/" + f.Name())
		noError(t, err)
		page := strings.ReplaceAll(string(text), `xmlns="http://www.w3.org/2000/svg"`, "")
		if f.Name() == "icon.svg" {
			page = strings.ReplaceAll(page, "<svg", "")
		}
		if found := bad.FindString(page); found != "" {
			t.Errorf("%s holds %q", f.Name(), found)
		}
	}
}

func TestStyleAndIcon(t *testing.T) {
	t.Parallel()
	b := newHarness(t).browser()
	for path, media := range map[string]string{"/pages/style.css": "text/css; charset=utf-8", "/pages/icon.svg": "image/svg+xml"} {
		if a := b.get(path); a.status != http.StatusOK || a.header.Get("Content-Type") != media || a.body == "" {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
	}
}

func TestFormsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	token := b.token()
	other := h.browser().token()
	tests := map[string]struct {
		token  string
		header []string
		title  string
	}{
		"no token":                 {"", nil, "the form is out of date"},
		"another browser's token":  {other, nil, "the form is out of date"},
		"another site":             {token, []string{"Sec-Fetch-Site", "cross-site"}, "a page of another site"},
		"another port":             {token, []string{"Sec-Fetch-Site", "same-site"}, "a page of another site"},
		"another origin":           {token, []string{"Origin", "https://evil.example"}, "a page of another site"},
		"no origin":                {token, []string{"Origin", "null"}, "a page of another site"},
		"another port as origin":   {token, []string{"Origin", "http://127.0.0.1:1"}, "a page of another site"},
		"another media type":       {token, []string{"Content-Type", "text/plain"}, "the form is out of date"},
		"the token only in a body": {token, []string{"Cookie", ""}, "the form is out of date"},
	}
	code := h.start("keyfob", "laptop").UserCode
	for _, r := range h.pages.Routes() {
		if r.Method != http.MethodPost {
			continue
		}
		for name, tt := range tests {
			fields := url.Values{tokenField: {tt.token}, "code": {code}, "decision": {"approve"}}
			req := b.request("POST", strings.ReplaceAll(r.Pattern, "{token}", "none"), fields.Encode(),
				append([]string{"Content-Type", "application/x-www-form-urlencoded"}, tt.header...)...)
			client := *b
			if name == "the token only in a body" {
				client = *h.browser()
			}
			a := client.send(req)
			if a.status != http.StatusForbidden || !strings.Contains(strings.ToLower(a.body), tt.title) {
				t.Errorf("%s, %s: %d\n%s", r.Pattern, name, a.status, a.body)
			}
		}
	}
	// Nothing came of any of them.
	b.get("/device?code="+code).page(http.StatusOK, decideTitle)
}

func TestATokenInTheQueryIsNone(t *testing.T) {
	t.Parallel()
	b := newHarness(t).browser()
	req := b.request("POST", "/sign-in?form_token="+b.token(), "", "Content-Type", "application/x-www-form-urlencoded")
	b.send(req).page(http.StatusForbidden, "That was not allowed")
}

func TestFormsAreLimited(t *testing.T) {
	t.Parallel()
	b := newHarness(t).browser()
	b.submit("/sign-in", form{"email": strings.Repeat("x", maxForm)}).page(http.StatusRequestEntityTooLarge, "That did not work")
	req := b.request("POST", "/sign-in", "%zz", "Content-Type", "application/x-www-form-urlencoded")
	b.send(req).page(http.StatusBadRequest, "That did not work")
}

func TestCookiesOnHTTPS(t *testing.T) {
	t.Parallel()
	h := newTLSHarness(t)
	b := h.browser()
	a := b.submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword}).redirects("/device")
	c := a.cookie(sessionCookie)
	if c == nil || c.Name != "__Host-keyfob-session" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
		c.Path != "/" || c.Domain != "" || c.MaxAge != 3600 {
		t.Errorf("%+v", c)
	}
	b.get("/device").page(http.StatusOK, enterTitle, "Signed in as <bdi>Ada</bdi>")
}

func TestCookiesOnLoopback(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	a := h.browser().submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword}).redirects("/device")
	c := a.cookie(sessionCookie)
	if c == nil || c.Name != "keyfob-"+h.pages.PublicURL.Port()+"-session" || c.Secure || !c.HttpOnly ||
		c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 3600 {
		t.Errorf("%+v", c)
	}
	if name := (&Pages{Config: Config{PublicURL: &url.URL{Scheme: "http", Host: "localhost"}}}).cookieName("form"); name != "keyfob-form" {
		t.Error(name)
	}
}

func TestTwoCookiesOfOneNameAreNone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	in, err := h.core.StartSession(t.Context(), h.ada.ID, api.SessionBrowser, core.Client{})
	noError(t, err)
	b, name := h.browser(), h.pages.cookieName(sessionCookie)
	for cookies, status := range map[string]int{
		name + "=" + in.Token.Reveal():                                  http.StatusOK,
		name + "=" + in.Token.Reveal() + "; " + name + "=other":         http.StatusSeeOther,
		name + "=" + in.Token.Reveal() + "x":                            http.StatusSeeOther,
		"__Host-" + name + "=" + in.Token.Reveal():                      http.StatusSeeOther,
		strings.ToUpper(name) + "=" + in.Token.Reveal() + "; keyfob-x=": http.StatusSeeOther,
	} {
		req := b.request("GET", "/device", "", "Cookie", cookies)
		if a := b.send(req); a.status != status {
			t.Errorf("%s: %d, want %d", cookies, a.status, status)
		}
	}
}

func TestSealedCookies(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	request := func(value string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: h.pages.cookieName(receiptCookie), Value: value})
		return r
	}
	w := httptest.NewRecorder()
	noError(t, setSealed(h.pages, w, receiptCookie, "text", time.Minute))
	value := answer{browser: h.browser(), header: w.Header()}.cookie(receiptCookie).Value
	if strings.Contains(value, "text") {
		t.Error("the cookie can be read")
	}
	if got, ok := openSealed[string](h.pages, request(value), receiptCookie); !ok || got != "text" {
		t.Errorf("%q, %t", got, ok)
	}
	w = httptest.NewRecorder()
	noError(t, setSealed(h.pages, w, openIDCookie, "text", time.Minute))
	foreign := answer{browser: h.browser(), header: w.Header()}.cookie(openIDCookie).Value
	flipped := "A" + value[1:]
	if flipped == value {
		flipped = "B" + value[1:]
	}
	for name, bad := range map[string]string{
		"none": "", "junk": "junk", "no base64": "%%%", "cut": value[:len(value)-4], "changed": flipped, "of another purpose": foreign,
	} {
		if _, ok := openSealed[string](h.pages, request(bad), receiptCookie); ok {
			t.Errorf("a cookie that is %s is taken", name)
		}
	}
	h.clock.add(time.Minute)
	if _, ok := openSealed[string](h.pages, request(value), receiptCookie); ok {
		t.Error("a cookie that is too old is taken")
	}
}

func TestErrorsArePages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	secret := "the database is at /secret/path"
	handlers := map[string]struct {
		h      handler
		status int
		title  string
		text   string
	}{
		"panic":     {func(http.ResponseWriter, *http.Request) error { panic(secret) }, 500, "Something went wrong", "on our side"},
		"fault":     {func(http.ResponseWriter, *http.Request) error { return &url.Error{URL: secret} }, 500, "Something went wrong", "on our side"},
		"cancelled": {func(http.ResponseWriter, *http.Request) error { return context.DeadlineExceeded }, 503, "Not available right now", "too long"},
		"refused": {func(http.ResponseWriter, *http.Request) error {
			return &core.Error{Code: api.CodeNotFound, Detail: "no <b>such</b> thing", Fix: "look elsewhere"}
		}, 404, "This does not work any more", "No &lt;b&gt;such&lt;/b&gt; thing. Look elsewhere."},
		"unauthenticated": {func(http.ResponseWriter, *http.Request) error {
			return &core.Error{Code: api.CodeUnauthenticated, Detail: "no"}
		}, 403, "That was not allowed", "No."},
		"broken page": {func(w http.ResponseWriter, r *http.Request) error {
			return h.pages.show(w, r, "decide", view{Body: "of another type"})
		}, 500, "Something went wrong", "on our side"},
	}
	for name, tt := range handlers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			w.Header().Set("Request-Id", testRequestID)
			h.pages.get(tt.h)(w, httptest.NewRequest(http.MethodGet, "/", nil))
			b := h.browser()
			b.t = t
			(answer{b, w.Code, w.Header(), w.Body.String()}).page(tt.status, tt.title, tt.text, testRequestID)
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("the page tells:\n%s", w.Body)
			}
		})
	}
	t.Run("aborted", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if recover() != http.ErrAbortHandler { //nolint:errorlint // a panic's value
				t.Error("it did not go on")
			}
		}()
		h.pages.get(func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) })(
			httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	})
}

func TestWithoutItsTemplatesAnErrorIsStillSaid(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	broken := template.Must(template.New("").Parse("{{.Nothing}}"))
	p := &Pages{Config: h.pages.Config, views: map[string]*template.Template{"fail": broken}}
	p.Log = slog.New(slog.DiscardHandler)
	w := httptest.NewRecorder()
	w.Header().Set("Request-Id", testRequestID)
	p.get(func(http.ResponseWriter, *http.Request) error { return noSuchPage() })(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), testRequestID) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

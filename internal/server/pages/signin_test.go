package pages

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.browser()
	b.get("/device?code=bcdfghjk").redirects("/sign-in?next=%2Fdevice%3Fcode%3DBCDF-GHJK")
	page := b.get("/sign-in?next=%2Fdevice%3Fcode%3DBCDF-GHJK").page(http.StatusOK, "Sign in",
		`name="next" value="/device?code=BCDF-GHJK"`, "BCDF-GHJK</b>", `autocomplete="username"`, `autocomplete="current-password"`)
	if strings.Contains(page.body, "Signed in as") {
		t.Error("somebody is signed in")
	}
	b.submit("/sign-in", form{"email": " Ada@Example.com ", "password": adasPassword, "next": "/device?code=BCDF-GHJK"}).
		redirects("/device?code=BCDF-GHJK")

	b.get("/device").page(http.StatusOK, enterTitle, "Signed in as <bdi>Ada</bdi>", "<bdi>ada@example.com</bdi>")
	b.get("/sign-in?next=//evil.example").redirects("/device")
	sessions := h.sessions(t)
	if len(sessions) != 1 || sessions[0].Kind != api.SessionBrowser || sessions[0].Name != "Chrome" {
		t.Errorf("%+v", sessions)
	}

	out := b.submit("/sign-out", nil).redirects("/sign-in?signed_out")
	if c := out.cookie(sessionCookie); c == nil || c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("the session's cookie stays: %+v", c)
	}
	b.get("/sign-in?signed_out").page(http.StatusOK, "Sign in", "You are signed out.")
	b.get("/device").redirects("/sign-in?next=%2Fdevice")
	if left := h.sessions(t); len(left) != 0 {
		t.Errorf("sessions go on: %+v", left)
	}
	b.submit("/sign-out", nil).redirects("/sign-in?signed_out") // again does no harm
}

// sessions are those of Ada, but for the one that asks.
func (h *harness) sessions(t *testing.T) []core.Session {
	t.Helper()
	in, err := h.core.StartSession(t.Context(), h.ada.ID, api.SessionCLI, core.Client{})
	noError(t, err)
	p, err := h.core.Authenticate(t.Context(), in.Token.Reveal())
	noError(t, err)
	all, err := h.core.Sessions(t.Context(), p)
	noError(t, err)
	noError(t, h.core.EndSession(t.Context(), p))
	var others []core.Session
	for _, s := range all {
		if s.ID != in.Session.ID {
			others = append(others, s)
		}
	}
	return others
}

func TestASecondSignInTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	b.submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword}).redirects("/device")
	if all := h.sessions(t); len(all) != 1 {
		t.Errorf("%d sessions", len(all))
	}
	b.get("/device").page(http.StatusOK, enterTitle)
}

func TestSignInIsRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.browser()
	wrong := form{"email": "<Ada>@example.com", "password": "s3cret typed wrongly", "next": "/device?code=BCDF-GHJK"}
	a := b.submit("/sign-in", wrong).page(http.StatusForbidden, "Sign in", `role="alert"`, "The e-mail address or the password is wrong.",
		`value="&lt;Ada&gt;@example.com"`, `name="next" value="/device?code=BCDF-GHJK"`, `aria-describedby="alert"`)
	if strings.Contains(a.body, wrong["password"]) || a.cookie(sessionCookie) != nil {
		t.Error("the answer holds the password or a session")
	}
	for range 5 {
		b.submit("/sign-in", form{"email": "ada@example.com", "password": "wrong"}).page(http.StatusForbidden, "Sign in")
	}
	h.clock.add(time.Minute)
	locked := b.submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword}).
		page(http.StatusTooManyRequests, "Sign in", `role="alert"`, "Try again in 14 minutes.")
	if got := locked.header.Get("Retry-After"); got != "840" {
		t.Errorf("Retry-After %q", got)
	}
	h.clock.add(14 * time.Minute)
	b.submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword}).redirects("/device")
}

func TestTheFormsNextPageIsCheckedToo(t *testing.T) {
	t.Parallel()
	b := newHarness(t).browser()
	b.submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword, "next": "//evil.example/device"}).redirects("/device")
	b = newHarness(t).browser()
	page := b.get("/sign-in?next="+url.QueryEscape(`https://evil.example/"><script>`)).page(http.StatusOK, "Sign in").body
	if strings.Contains(page, "evil") || strings.Contains(page, "<script") {
		t.Errorf("the page repeats it:\n%s", page)
	}
}

// TestOnlyTheSessionOfABrowserCounts: a token of a program that got into a cookie opens no page.
func TestOnlyTheSessionOfABrowserCounts(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for kind, status := range map[api.SessionKind]int{api.SessionBrowser: http.StatusOK, api.SessionCLI: http.StatusSeeOther} {
		in, err := h.core.StartSession(t.Context(), h.ada.ID, kind, core.Client{})
		noError(t, err)
		b := h.browser()
		req := b.request("GET", "/device", "", "Cookie", h.pages.cookieName(sessionCookie)+"="+in.Token.Reveal())
		if a := b.send(req); a.status != status {
			t.Errorf("%s: %d, want %d", kind, a.status, status)
		}
	}
}

func TestASessionEndsAfterAnHour(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	token := b.token()
	h.clock.add(59 * time.Minute)
	b.get("/device").page(http.StatusOK, enterTitle)
	h.clock.add(time.Minute)
	b.get("/device").redirects("/sign-in?next=%2Fdevice")
	code := h.start("keyfob", "laptop").UserCode
	// What was being done goes on after signing in again.
	next := "/sign-in?" + url.Values{"next": {"/device?code=" + code}}.Encode()
	b.post("/device", token, form{"code": strings.ToLower(code)}).redirects(next)
	b.post("/device/decision", token, form{"code": code, "decision": "approve"}).redirects(next)
}

package pages

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestApprove(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	started := h.start("keyfob", "ada-laptop")
	code := started.UserCode
	h.clock.add(2 * time.Minute)
	typed := " " + strings.ToLower(strings.ReplaceAll(code, "-", " ")) + " "
	b.submit("/device", form{"code": typed}).redirects("/device?code=" + code)

	b.get("/device?code="+code).page(http.StatusOK, decideTitle, code, "<bdi>keyfob</bdi>", "<bdi>ada-laptop</bdi>", "203.0.113.7",
		"2 minutes ago, ends in 8 minutes", "<bdi>Ada</bdi>", "ada@example.com", "Approve only a sign-in that you have just begun yourself")
	if _, err := h.core.PollDevice(t.Context(), started.DeviceCode); !errors.Is(err, core.ErrDevicePending) {
		t.Fatal(err)
	}
	b.submit("/device/decision", form{"code": code, "decision": "approve"}).redirects("/device?code=" + code)
	for range 2 { // reloading, and going back, show what was done
		b.get("/device?code="+code).page(http.StatusOK, "Approved", "<bdi>keyfob</bdi></b> on <b><bdi>ada-laptop</bdi></b> is signed in as you", "close this window")
	}
	in, err := h.core.PollDevice(t.Context(), started.DeviceCode)
	noError(t, err)
	p, err := h.core.Authenticate(t.Context(), in.Token.Reveal())
	noError(t, err)
	if p.User != h.ada || p.Session.Kind != api.SessionCLI || p.Session.Host != "ada-laptop" {
		t.Errorf("%+v", p)
	}

	// Sent once more, by the same browser and by one that knows nothing of it.
	b.submit("/device/decision", form{"code": code, "decision": "deny"}).
		page(http.StatusConflict, "This was decided already", "You have approved it.")
	b.submit("/device", form{"code": code}).redirects("/device?code=" + code)
	h.signedIn().submit("/device/decision", form{"code": code, "decision": "deny"}).
		page(http.StatusConflict, "This was decided already", "decided already, or its time is over")
	if _, err := h.core.Authenticate(t.Context(), in.Token.Reveal()); err != nil {
		t.Errorf("the session ended: %v", err)
	}
}

func TestDeny(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	started := h.start("keyfob", "")
	b.submit("/device/decision", form{"code": started.UserCode, "decision": "deny"}).redirects("/device?code=" + started.UserCode)
	b.get("/device?code="+started.UserCode).page(http.StatusOK, "Denied", "was not signed in")
	if _, err := h.core.PollDevice(t.Context(), started.DeviceCode); !errors.Is(err, core.ErrDeviceDenied) {
		t.Error(err)
	}
	b.submit("/device/decision", form{"code": started.UserCode, "decision": "approve"}).
		page(http.StatusConflict, "This was decided already", "You have denied it.")
}

func TestADoubleSubmitDecidesOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	token, started := b.token(), h.start("keyfob", "laptop")
	answers := make([]answer, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i] = b.post("/device/decision", token, form{"code": started.UserCode, "decision": "approve"})
		})
	}
	all.Wait()
	done := 0
	for _, a := range answers {
		switch a.status {
		case http.StatusSeeOther:
			done++
		case http.StatusConflict:
			a.page(http.StatusConflict, "This was decided already")
		case http.StatusTooManyRequests: // more than five times
			a.page(http.StatusTooManyRequests, "Too many tries")
		default:
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if done != 1 {
		t.Errorf("decided %d times", done)
	}
}

func TestWrongCodes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	right := h.start("keyfob", "laptop").UserCode
	for _, code := range []string{"", "BCDF", `"><script>alert(1)</script>`, strings.Repeat("漢", 500)} {
		a := b.submit("/device", form{"code": code}).page(http.StatusNotFound, enterTitle, `role="alert"`, `aria-invalid="true"`, "No program waits under the code")
		if strings.Contains(a.body, "<script") || len(a.body) > 8000 {
			t.Errorf("%d bytes:\n%s", len(a.body), a.body)
		}
	}
	b.get("/device?code=ZZZZ-ZZZZ").page(http.StatusNotFound, enterTitle, `value="ZZZZ-ZZZZ"`)
	// The sixth, and each that follows, right or wrong.
	h.clock.add(time.Minute)
	a := b.submit("/device", form{"code": right}).page(http.StatusTooManyRequests, enterTitle, "Try again in 9 minutes.")
	if got := a.header.Get("Retry-After"); got != "540" {
		t.Errorf("Retry-After %q", got)
	}
	b.get("/device?code="+right).page(http.StatusTooManyRequests, enterTitle)
	b.submit("/device/decision", form{"code": right, "decision": "approve"}).page(http.StatusTooManyRequests, "Too many tries", "Try again in 9 minutes.")
	h.clock.add(9 * time.Minute)
	again := h.start("keyfob", "laptop").UserCode
	b.submit("/device", form{"code": again}).redirects("/device?code=" + again)
}

func TestExpiredCode(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	code := h.start("keyfob", "laptop").UserCode
	h.clock.add(10*time.Minute - time.Second)
	b.get("/device?code="+code).page(http.StatusOK, decideTitle, "9 minutes ago, ends in 1 minute")
	h.clock.add(time.Second)
	b.get("/device?code="+code).page(http.StatusNotFound, enterTitle, "begin again there")
	b.submit("/device/decision", form{"code": code, "decision": "approve"}).page(http.StatusConflict, "This was decided already", "its time is over")
}

func TestADecisionIsApproveOrDeny(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	code := h.start("keyfob", "laptop").UserCode
	for _, decision := range []string{"", "Approve", "yes", "first"} {
		b.submit("/device/decision", form{"code": code, "decision": decision}).page(http.StatusBadRequest, "That did not work")
	}
	b.get("/device?code="+code).page(http.StatusOK, decideTitle)
}

// TestAReceiptIsOfOneUser: who signs in next in the same browser is not told what the one before did.
func TestAReceiptIsOfOneUser(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	code := h.start("keyfob", "laptop").UserCode
	b.submit("/device/decision", form{"code": code, "decision": "approve"}).redirects("/device?code=" + code)
	eve := h.member(t, "eve@example.com")
	b.submit("/sign-in", form{"email": eve.Email, "password": adasPassword}).redirects("/device")
	b.get("/device?code="+code).page(http.StatusNotFound, enterTitle)
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	b := h.signedIn()
	for _, name := range []string{
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "{{.}}", "a\u202egpj.exe", "</bdi></dd><h1>Approved</h1>", "\u200b\u2066",
	} {
		code := h.start(name, name).UserCode
		page := b.get("/device?code="+code).page(http.StatusOK, decideTitle).body
		for _, bad := range []string{"<script", "<img src=x", "\u202e", "\u2066", "<h1>Approved"} {
			if strings.Contains(page, bad) {
				t.Errorf("the page for %q holds %q", name, bad)
			}
		}
	}
}

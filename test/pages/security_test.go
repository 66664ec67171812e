package pages_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/keyfob/keyfob/internal/core"
)

// foreign serves a page on another loopback port: another origin, of the same site, with the same cookies.
func foreign(t *testing.T, html string) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Foreign</title><h1>Foreign</h1>" + html))
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// framed opens the approval page in a frame of a foreign page: it stays empty.
func framed(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.signedIn(t, s, started.UserCode)
	for _, path := range []string{"/device?code=" + started.UserCode, "/sign-in", "/setup/none"} {
		at := foreign(t, fmt.Sprintf("<iframe src=%q></iframe>", s.url+path))
		b.leads(200, "Foreign", chromedp.Navigate(at))
		frames := get(b, func(ctx context.Context, t *chromedp.Target) (page.GetFrameTreeResult, error) {
			return cdp.Call(ctx, t, page.GetFrameTree, cdp.Empty{})
		}).FrameTree.ChildFrames
		if len(frames) != 1 || !strings.HasPrefix(frames[0].Frame.UnreachableURL, s.url+"/") {
			t.Errorf("%s: %d frames, %+v", path, len(frames), frames[0].Frame)
		}
		b.expectWrong("frame-ancestors 'none'")
	}
	s.polled(t, started, core.ErrDevicePending)
}

// foreignForms sends our forms from a foreign page. On another loopback port it even has our cookies: the form's token is
// no secret to it, but where it comes from is seen.
func foreignForms(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.signedIn(t, s, started.UserCode)
	token := get(b, chromedp.Value(chromedp.CSS("input[name=form_token]")))
	cookies := get(b, func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
	}).Cookies
	for _, cookie := range cookies {
		if !cookie.HTTPOnly || cookie.SameSite != network.CookieSameSiteLax {
			t.Errorf("%s can be read by scripts, or is sent along from other sites", cookie.Name)
		}
	}
	form := func(path string, fields ...string) string {
		var out strings.Builder
		fmt.Fprintf(&out, "<form method=post action=%q>", s.url+path)
		for i := 0; i < len(fields); i += 2 {
			fmt.Fprintf(&out, "<input name=%q value=%q>", fields[i], fields[i+1])
		}
		return out.String() + "<button>Send</button></form>"
	}
	for name, html := range map[string]string{
		"approve":           form("/device/decision", "code", started.UserCode, "decision", "approve"),
		"approve, token":    form("/device/decision", "code", started.UserCode, "decision", "approve", "form_token", token),
		"sign in, token":    form("/sign-in", "email", adasEmail, "password", adasPassword, "form_token", token),
		"sign out, token":   form("/sign-out", "form_token", token),
		"code, token":       form("/device", "code", started.UserCode, "form_token", token),
		"no-referrer token": `<meta name="referrer" content="no-referrer">` + form("/sign-out", "form_token", token),
	} {
		b.leads(200, "Foreign", chromedp.Navigate(foreign(t, html)))
		b.leads(403, "That was not allowed", press("Send"))
		b.shows("The form was sent by a page of another site.")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	b.look("foreign-form")
	b.opens("/device?code="+started.UserCode, 200, decideTitle) // neither approved nor signed out
	s.polled(t, started, core.ErrDevicePending)
	b.expectWrong("asked http://127.0.0.1")
}

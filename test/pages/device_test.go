package pages_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/keyfob/keyfob/internal/core"
)

const decideTitle = "Approve this sign-in?"

// signedIn opens the page of the code in a tab where Ada is signed in.
func (c *chromium) signedIn(t *testing.T, s *service, code string) *tab {
	t.Helper()
	b := c.tab(t, s)
	b.opens("/device?code="+code, 200, "Sign in")
	b.shows("To continue with the code " + code)
	b.signInTo(decideTitle)
	return b
}

// polled asserts what the program that waits is answered; nil: a session of Ada's.
func (s *service) polled(t *testing.T, started core.DeviceStart, want error) {
	t.Helper()
	in, err := s.core.PollDevice(t.Context(), started.DeviceCode)
	if !errors.Is(err, want) {
		t.Fatalf("the program is answered %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	p, err := s.core.Authenticate(t.Context(), in.Token.Reveal())
	noError(t, err)
	if p.User.Email != adasEmail {
		t.Errorf("%+v", p)
	}
}

func approve(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	b := c.tab(t, s)
	started := s.start(t, "keyfob", "ada-laptop")
	s.clock.add(2 * time.Minute)
	b.opens("/device", 200, "Sign in")
	b.look("sign-in")
	b.signIn()
	b.look("code")
	b.fill("code", strings.ToLower(strings.ReplaceAll(started.UserCode, "-", " ")))
	b.leads(200, decideTitle, press("Continue"))
	b.shows(started.UserCode, "keyfob", "ada-laptop", "203.0.113.7", "2 minutes ago, ends in 8 minutes", "Ada Lovelace", adasEmail,
		"Approve only a sign-in that you have just begun yourself")
	b.look("approve")
	s.polled(t, started, core.ErrDevicePending)
	b.leads(200, "Approved", press("Approve"))
	b.shows("keyfob on ada-laptop is signed in as you. You can close this window.")
	b.look("approved")
	s.polled(t, started, nil)
	s.polled(t, started, core.ErrDeviceExpired) // once

	b.leads(200, "Approved", chromedp.Reload())
	b.leads(200, "Approved", chromedp.NavigateBack())
}

func deny(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.signedIn(t, s, started.UserCode)
	second := b.beside()
	second.opens("/device?code="+started.UserCode, 200, decideTitle)
	b.leads(200, "Denied", press("Deny"))
	b.shows("keyfob on ada-laptop was not signed in.")
	b.look("denied")
	second.leads(409, "This was decided already", press("Approve"))
	second.shows("You have denied it. There is nothing more to do.")
	second.look("denied-already")
	s.polled(t, started, core.ErrDeviceDenied)
}

func wrongCodes(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	right := s.start(t, "keyfob", "ada-laptop").UserCode
	b := c.tab(t, s)
	b.opens("/device", 200, "Sign in")
	b.signIn()
	b.fill("code", "zzzz zzzz")
	b.leads(404, "Enter your code", press("Continue"))
	b.shows("No program waits under the code", "begin again there")
	b.look("code-wrong")
	for range 4 {
		b.fill("code", "not a code")
		b.leads(404, "Enter your code", press("Continue"))
	}
	s.clock.add(time.Minute)
	b.fill("code", right)
	b.leads(429, "Enter your code", press("Continue"))
	b.shows("Try again in 9 minutes.")
	b.look("code-locked")
	s.clock.add(9 * time.Minute)
	b.fill("code", s.start(t, "keyfob", "ada-laptop").UserCode)
	b.leads(200, decideTitle, press("Continue"))
}

func expiredCode(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.signedIn(t, s, started.UserCode)
	s.clock.add(10 * time.Minute)
	b.leads(409, "This was decided already", press("Approve"))
	b.shows("or its time is over", "begin again there")
	b.look("decided-elsewhere")
	s.polled(t, started, core.ErrDeviceExpired)
	b.opens("/device?code="+started.UserCode, 404, "Enter your code")
	b.look("code-expired")
}

func replay(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.signedIn(t, s, started.UserCode)
	second := b.beside()
	second.opens("/device?code="+started.UserCode, 200, decideTitle)
	b.leads(200, "Approved", press("Approve"))
	second.leads(409, "This was decided already", press("Approve"))
	second.shows("You have approved it. There is nothing more to do.")
	second.look("decided")
	s.polled(t, started, nil)
}

// doubleSubmit clicks Approve a second time while the first answer is on its way, as impatient people do: the browser lets
// the first one go, but the service has got both.
func doubleSubmit(v visit) {
	t, c := v.t, v.chromium
	const name = "twice.example.com"
	s, handler := build(t, &url.URL{Scheme: "https", Host: name}, nil)
	s.setUp(t)
	var posts atomic.Int32
	both, answered := make(chan struct{}), make(chan struct{})
	answer := sync.OnceFunc(func() { close(answered) })
	defer answer()
	c.front.serve(name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/device/decision" {
			if posts.Add(1) == 2 {
				close(both)
			}
			<-answered
			r = r.WithContext(context.WithoutCancel(r.Context())) // it came whole before the browser let it go
		}
		handler.ServeHTTP(w, r)
	}))
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.signedIn(t, s, started.UserCode)
	const twice = `{
		const approve = () => setTimeout(() => document.querySelector("button[value=approve]").click());
		navigation.addEventListener("navigate", approve, {once: true});
		approve();
	}`
	b.do(chromedp.Evaluate[chromedp.Void](twice))
	select {
	case <-both:
	case <-time.After(stepTimeout):
		t.Fatalf("the service was asked %d times", posts.Load())
	}
	ctx, stop := context.WithTimeout(b.ctx, stepTimeout)
	defer stop()
	_, err := chromedp.RunResponse(ctx, func(context.Context, *chromedp.Target) (chromedp.Void, error) {
		answer()
		return chromedp.Void{}, nil
	})
	noError(t, err)
	if heading := b.heading(); heading != "Approved" && heading != "This was decided already" {
		t.Errorf("it ends at %q", heading)
	}
	s.polled(t, started, nil)
	s.polled(t, started, core.ErrDeviceExpired)
}

func hostileNames(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	b := c.signedIn(t, s, s.start(t, "keyfob", "ada-laptop").UserCode)
	for label, name := range map[string]string{
		"script": "<script>document.title='x'</script><img src=x onerror=alert(1)>",
		"markup": `</bdi></dd></dl><h1>Approved</h1><a href="//evil.example">`,
		"bidi":   "\u202eexe.tidlih\u2066\u200b\u200f",
		"rtl":    "שלום עולם keyfob",
		"wide":   strings.Repeat("Ｗ", 64),
		"long":   strings.Repeat("W", 64),
		"marks":  "k" + strings.Repeat("\u0301\u0489", 31),
		"empty":  "",
	} {
		b.opens("/device?code="+s.start(t, name, name).UserCode, 200, decideTitle)
		if label == "script" || label == "markup" {
			b.shows(name[:40])
		}
		page := get(b, chromedp.TextContent(chromedp.CSS("main")))
		if strings.ContainsAny(page, "\u202e\u2066\u200b") {
			t.Errorf("%s: the page holds %q", label, page)
		}
		if n := get(b, chromedp.Evaluate[int]("document.querySelectorAll('main script, main img, main a').length")); n != 0 {
			t.Errorf("%s: %d elements of the name's", label, n)
		}
		b.look("hostile-" + label)
	}
}

// withoutScript goes the whole way in a browser that runs no script.
func withoutScript(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.tab(t, s)
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	})
	b.opens("/device?code="+started.UserCode, 200, "Sign in")
	b.signInTo(decideTitle)
	b.leads(200, "Approved", press("Approve"))
	s.polled(t, started, nil)
}

// onPhone goes the whole way on a small screen in the dark.
func onPhone(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "build-server")
	b := c.tab(t, s)
	b.see("dark", 390)
	b.opens("/device", 200, "Sign in")
	b.signIn()
	b.fill("code", started.UserCode)
	b.leads(200, decideTitle, press("Continue"))
	b.fits("the decision", 390)
	b.leads(200, "Approved", press("Approve"))
	s.polled(t, started, nil)
}

// keyboard goes the whole way with the keys alone: fields have the focus at once, Enter sends, Tab goes on in order.
func keyboard(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.tab(t, s)
	b.opens("/device", 200, "Sign in")
	b.leads(200, "Enter your code", chromedp.KeyEvent(adasEmail+"\t"+adasPassword+"\r"))
	b.leads(200, decideTitle, chromedp.KeyEvent(started.UserCode+"\r"))
	// Enter on a page where nothing has the focus decides nothing.
	b.do(chromedp.KeyEvent("\r"))
	s.polled(t, started, core.ErrDevicePending)
	b.do(chromedp.KeyEvent("\t"))
	if got := get(b, chromedp.Evaluate[string]("document.activeElement.value + ' ' + getComputedStyle(document.activeElement).outlineStyle")); got != "approve solid" {
		t.Errorf("after Tab the focus is on %q", got)
	}
	b.leads(200, "Approved", chromedp.KeyEvent("\r"))
}

package pages_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/keyfob/keyfob/test/pages"
)

const (
	stepTimeout = time.Minute // of anything that a page is waited for

	// Widths of a window, in CSS pixels.
	widest    = 1000
	narrowest = 320 // WCAG 2.2 §1.4.10
)

// chromium is the one browser of the package.
type chromium struct {
	ctx   context.Context
	axe   string // axe-core's script
	front *front
}

// startChromium starts Chromium, which ends with the test. Names below example.com are mapped to front: with them the pages
// are seen as people see them, on https. Where Chromium or axe-core is missing the test is skipped; in CI it fails.
func startChromium(t *testing.T, front *front) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	missing(t, err)
	axe, err := pages.Axe()
	missing(t, err)
	home := t.TempDir()
	ctx, kill := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()),
		chromedp.ExecPath(program),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("headless", "new"), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("password-store", "basic"), chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("host-resolver-rules", "MAP *.example.com "+front.address()), chromedp.IgnoreCertErrors,
		chromedp.NoInheritEnv, chromedp.Env("PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME="+home, "TMPDIR="+home, "FONTCONFIG_FILE="+fonts(t, home)),
	)
	t.Cleanup(kill)
	ctx, _ = chromedp.NewContext(ctx) // ended by Cancel below
	noError(t, chromedp.Do(ctx))
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(ctx, stepTimeout)
		defer stop()
		noError(t, chromedp.Cancel(ctx))
	})
	return &chromium{ctx: ctx, axe: axe, front: front}
}

// fonts writes a configuration that prefers Inter, which is what the pages are drawn with on a current GNOME desktop, and
// takes what there is where it is missing.
func fonts(t *testing.T, dir string) string {
	t.Helper()
	var prefer strings.Builder
	for _, generic := range []string{"system-ui", "sans-serif", "sans"} {
		fmt.Fprintf(&prefer, `<match target="pattern"><test name="family"><string>%s</string></test>`+
			`<edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>`, generic)
	}
	path := filepath.Join(dir, "fonts.conf")
	noError(t, os.WriteFile(path, []byte(`<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">`+
		`<fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include>`+prefer.String()+`</fontconfig>`), 0o600))
	return path
}

// missing skips the test for want of a part; in CI it fails.
func missing(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// tab is a tab of a browser that shares no cookie with any other, on a service.
type tab struct {
	*service

	t   *testing.T
	ctx context.Context
	axe string

	mu    sync.Mutex
	wrong []string // what the browser complained about
}

// tab opens a tab. At the end of the test nothing may have been asked of another site, nor been blocked by a policy.
func (c *chromium) tab(t *testing.T, s *service) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	return (&tab{service: s, t: t, ctx: ctx, axe: c.axe}).begin()
}

// beside opens another tab of the same browser: with the cookies of this one.
func (b *tab) beside() *tab {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	b.t.Cleanup(stop)
	return (&tab{service: b.service, t: b.t, ctx: ctx, axe: b.axe}).begin()
}

func (b *tab) begin() *tab {
	b.t.Helper()
	noError(b.t, chromedp.Do(b.ctx)) // opens it; a context with a deadline would close it
	noError(b.t, chromedp.Listen(b.ctx, b.watch))
	b.see("light", widest)
	b.t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, what := range b.wrong {
			b.t.Errorf("Chromium: %s", what)
		}
	})
	return b
}

// watch collects what a page must not do.
func (b *tab) watch(event any) {
	var what string
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "about" && !strings.HasPrefix(e.Request.URL, b.url+"/") {
			what = "asked " + e.Request.URL
		}
	case *log.EventEntryAdded:
		if e.Entry.Source != log.EntrySourceNetwork { // it tells of every 404 and 403
			what = string(e.Entry.Source) + ": " + e.Entry.Text
		}
	}
	if what != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wrong = append(b.wrong, what)
	}
}

// expectWrong takes off what Chromium complained about, which must hold the text.
func (b *tab) expectWrong(text string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !strings.Contains(strings.Join(b.wrong, "\n"), text) {
		b.t.Errorf("Chromium complained about %q, want %q", b.wrong, text)
	}
	b.wrong = nil
}

// do runs steps, which may not take longer than stepTimeout.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, stepTimeout)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.html())
	}
}

// get is a value that the page has.
func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, stepTimeout)
	defer stop()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.html())
	}
	return v
}

// html is the page as it is, for a failure's text.
func (b *tab) html() string {
	ctx, stop := context.WithTimeout(b.ctx, 10*time.Second)
	defer stop()
	text, _ := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("html")))
	return text
}

// leads runs steps that lead to another page, waits for it, and asserts its status and heading. No step may lead there by a
// script: Chromium fails an evaluation that is not answered yet when the next page comes ("Inspected target navigated or
// closed"). Its own commands to open, reload and go back are answered by the browser, not by the page.
func (b *tab) leads(status int64, heading string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, stepTimeout)
	defer stop()
	resp, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.html())
	}
	if got := b.heading(); resp == nil || resp.Status != status || got != heading {
		b.t.Fatalf("%+v with the heading %q, want %d and %q:\n%s", resp, got, status, heading, b.html())
	}
}

// opens goes to a page of the service.
func (b *tab) opens(path string, status int64, heading string) {
	b.t.Helper()
	b.leads(status, heading, chromedp.Navigate(b.url+path))
}

func (b *tab) heading() string {
	b.t.Helper()
	return get(b, chromedp.TextContent(chromedp.CSS("h1")))
}

// shows asserts that the page's visible text has these in it.
func (b *tab) shows(texts ...string) {
	b.t.Helper()
	page := strings.Join(strings.Fields(get(b, chromedp.Text(chromedp.CSS("body")))), " ")
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.t.Fatalf("the page lacks %q:\n%s", text, page)
		}
	}
}

// fill types into the form's fields: names and texts in turn.
func (b *tab) fill(fields ...string) {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		field := chromedp.ID(fields[i])
		b.do(chromedp.Clear(field), chromedp.SendKeys(field, fields[i+1]))
	}
}

// press clicks the button that reads so.
func press(button string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.Search(fmt.Sprintf(`//button[normalize-space()=%q]`, button)), chromedp.NodeVisible)
}

// see sets the colour scheme and the width of the window. Nothing moves: what is looked at stands still.
func (b *tab) see(scheme string, width int64) {
	b.t.Helper()
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		if err != nil {
			return chromedp.Void{}, err
		}
		mobile := width < 600
		size := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: mobile}
		if mobile {
			size.DeviceScaleFactor = 2
		}
		_, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, size)
		return chromedp.Void{}, err
	})
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

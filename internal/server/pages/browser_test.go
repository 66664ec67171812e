package pages

import (
	"crypto/tls"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// browser is a browser: it keeps cookies and, unlike http.Client, shows each redirect.
type browser struct {
	*harness

	client *http.Client
}

func (h *harness) browser() *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	noError(h.t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the test server's own certificate
	h.t.Cleanup(transport.CloseIdleConnections)
	return &browser{h, &http.Client{
		Jar: jar, Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signedIn is a browser where Ada is signed in. It spares the hashing of her password.
func (h *harness) signedIn() *browser {
	h.t.Helper()
	in, err := h.core.StartSession(h.t.Context(), h.ada.ID, api.SessionBrowser, core.Client{Name: "Chrome"})
	noError(h.t, err)
	at, err := url.Parse(h.url)
	noError(h.t, err)
	b := h.browser()
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: h.pages.cookieName(sessionCookie), Value: in.Token.Reveal(), Path: "/"}})
	return b
}

type form map[string]string

// answer is a response with its body read.
type answer struct {
	*browser

	status int
	header http.Header
	body   string
}

func (b *browser) send(req *http.Request) answer {
	b.t.Helper()
	resp, err := b.client.Do(req)
	noError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	noError(b.t, err)
	return answer{b, resp.StatusCode, resp.Header, string(text)}
}

func (b *browser) request(method, path, body string, header ...string) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	noError(b.t, err)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.send(b.request(http.MethodGet, path, ""))
}

// post sends a form as a page of ours would, with this token.
func (b *browser) post(path, token string, fields form) answer {
	b.t.Helper()
	values := url.Values{tokenField: {token}}
	for name, value := range fields {
		values.Set(name, value)
	}
	return b.send(b.request(http.MethodPost, path, values.Encode(), "Content-Type", "application/x-www-form-urlencoded",
		"Origin", b.url, "Sec-Fetch-Site", "same-origin"))
}

// submit sends a form of ours.
func (b *browser) submit(path string, fields form) answer {
	b.t.Helper()
	return b.post(path, b.token(), fields)
}

// token is the form token of this browser, as its cookie and the forms of its pages have it.
func (b *browser) token() string {
	b.t.Helper()
	page := b.get("/sign-in").body + b.get("/device").body
	at, err := url.Parse(b.url)
	noError(b.t, err)
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name != b.pages.cookieName(formCookie) {
			continue
		}
		if strings.Contains(page, "<form") && !strings.Contains(page, `name="form_token" value="`+c.Value+`"`) {
			b.t.Fatalf("the form lacks the token of the cookie:\n%s", page)
		}
		return c.Value
	}
	b.t.Fatal("the browser has no token")
	return ""
}

// page asserts that the answer is a page of the status with the heading and the texts.
func (a answer) page(status int, heading string, texts ...string) answer {
	a.t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		a.t.Fatalf("%d %s, want the page %q with %d:\n%s", a.status, a.header.Get("Content-Type"), heading, status, a.body)
	}
	found := regexp.MustCompile(`<h1>([^<]*)</h1>`).FindAllStringSubmatch(a.body, -1)
	if len(found) != 1 || html.UnescapeString(found[0][1]) != heading {
		a.t.Fatalf("headings %q, want %q", found, heading)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Fatalf("the page %q lacks %q:\n%s", heading, text, a.body)
		}
	}
	return a
}

// redirects asserts that the answer leads to a page of ours.
func (a answer) redirects(to string) answer {
	a.t.Helper()
	if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != to {
		a.t.Fatalf("%d to %q, want 303 to %q:\n%s", a.status, got, to, a.body)
	}
	return a
}

// cookie returns the cookie that the answer sets; nil if it sets none of the name.
func (a answer) cookie(name string) *http.Cookie {
	a.t.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == a.pages.cookieName(name) {
			return c
		}
	}
	return nil
}

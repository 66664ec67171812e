package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/html"

	"github.com/keyfob/keyfob/pkg/api"
)

// cmdJoins opens a set-up link as a person does, fills in name and password, and asks for the status of the answer:
// joins STATUS LINK NAME PASSWORD.
func cmdJoins(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	b := newBrowser(ts)
	page := b.get(args[1])
	if page.status == http.StatusOK {
		page = b.submit(page, map[string]string{
			"name": args[2], "password": args[3], "password_again": args[3],
			"org_name": "Acme", "org_slug": "acme", "email": args[2] + "@example.com", // of the first account
		})
	}
	if page.status != want {
		ts.Fatalf("%s answers %d, want %d:\n%s", args[1], page.status, want, page.text)
	}
}

// cmdSignin signs a program in at URL with e-mail address and password, from the device code to the token, which it sets
// SESSION to: signin EMAIL PASSWORD.
func cmdSignin(ts *testscript.TestScript, _ bool, args []string) {
	origin := ts.Getenv("URL")
	var code api.DeviceCode
	post(ts, origin+"/v1/device/code", url.Values{"client_id": {"script"}, "host_name": {"laptop"}}, &code)
	b := newBrowser(ts)
	page := b.get(code.VerificationURIComplete)
	page = b.submit(page, map[string]string{"email": args[0], "password": args[1]})
	page = b.submit(page, map[string]string{"decision": "approve"})
	if page.status != http.StatusOK || !strings.Contains(page.text, "is signed in as you") {
		ts.Fatalf("the sign-in ends with %d:\n%s", page.status, page.text)
	}
	var token api.AccessToken
	post(ts, origin+"/v1/device/token", url.Values{"grant_type": {api.DeviceGrantType}, "device_code": {code.DeviceCode}}, &token)
	ts.Setenv("SESSION", token.AccessToken)
}

func post(ts *testscript.TestScript, target string, form url.Values, out any) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if res.StatusCode != http.StatusOK {
		ts.Fatalf("%s answers %d: %s", target, res.StatusCode, body)
	}
	ts.Check(json.Unmarshal(body, out))
}

// browser is a person's, as far as forms go: it keeps cookies and follows redirects.
type browser struct {
	ts     *testscript.TestScript
	client *http.Client
}

// page is what a browser shows.
type page struct {
	url    *url.URL
	status int
	text   string
}

func newBrowser(ts *testscript.TestScript) *browser {
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	return &browser{ts, &http.Client{Jar: jar, Timeout: deadline}}
}

func (b *browser) get(target string) page {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	b.ts.Check(err)
	return b.do(req)
}

func (b *browser) do(req *http.Request) page {
	res, err := b.client.Do(req)
	b.ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	b.ts.Check(err)
	return page{res.Request.URL, res.StatusCode, string(text)}
}

// submit fills in what the first form of the page has of the fields, and sends it. What is not filled in keeps its value.
func (b *browser) submit(p page, fill map[string]string) page {
	action, form, ok := firstForm(p)
	if !ok {
		b.ts.Fatalf("there is no form at %s (%d):\n%s", p.url.Path, p.status, p.text)
	}
	filled := false
	for name, value := range fill {
		if form.Has(name) {
			form.Set(name, value)
			filled = true
		}
	}
	if !filled {
		b.ts.Fatalf("the form at %s is another:\n%s", p.url.Path, p.text)
	}
	target, err := p.url.Parse(action)
	b.ts.Check(err)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	b.ts.Check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", fmt.Sprintf("%s://%s", target.Scheme, target.Host))
	return b.do(req)
}

// firstForm returns where the first form of a page leads and the values that it has.
func firstForm(p page) (action string, values url.Values, ok bool) {
	root, err := html.Parse(strings.NewReader(p.text))
	if err != nil {
		return "", nil, false
	}
	values = url.Values{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		for field := range n.Descendants() {
			if name := attribute(field, "name"); name != "" && !values.Has(name) {
				values.Set(name, attribute(field, "value"))
			}
		}
		return attribute(n, "action"), values, true
	}
	return "", nil, false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

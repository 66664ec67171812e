package acceptance

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/html"
)

// cmdLost is the person's part of login with a provider that ends before the service asks it who that was: lost STATUS USER PASSWORD.
func cmdLost(ts *testscript.TestScript, _ bool, args []string) {
	b := newBrowser(ts)
	b.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == "/oidc/callback" {
			ts.Value(quickstartKey{}).(*held).upstream.close(ts)
		}
		return nil
	}
	b.shows(b.atProvider(ts.Getenv("URL")+"/device", args[1], args[2]), args[0])
}

// cmdFlood is the person's part of login with a browser that comes back N times at once, after it has asked for an icon: one
// sign-in counts, and no answer is a fault of the service. CALLBACK is set to where it came back to: flood N USER PASSWORD.
func cmdFlood(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	b := newBrowser(ts)
	b.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == "/oidc/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	var back string
	b.client.Transport = noting(func(res *http.Response) {
		if to, err := res.Location(); err == nil && to.Path == "/oidc/callback" {
			back = to.String()
		}
	})
	b.atProvider(ts.Getenv("URL")+"/device", args[1], args[2])
	ts.Setenv("CALLBACK", back)
	b.client.Transport = nil
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.get(ts.Getenv("URL") + "/favicon.ico")
	jars := b.client.Jar.Cookies(mustParse(ts, back))
	statuses := make([]int, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			one := &http.Client{CheckRedirect: b.client.CheckRedirect, Timeout: deadline} // as if all had left before any came back
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, back, nil)
			if err != nil {
				return
			}
			for _, c := range jars {
				req.AddCookie(c)
			}
			res, err := one.Do(req)
			if err != nil {
				return
			}
			_ = res.Body.Close()
			statuses[i] = res.StatusCode
		})
	}
	all.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	if count[http.StatusSeeOther] != 1 || count[http.StatusForbidden] != n-1 {
		ts.Fatalf("of %d answers: %v", n, count)
	}
}

// noting is a transport that looks at each answer.
type noting func(*http.Response)

func (f noting) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		f(res)
	}
	return res, err
}

func mustParse(ts *testscript.TestScript, raw string) *url.URL {
	u, err := url.Parse(raw)
	ts.Check(err)
	return u
}

// cmdVisit opens a page with a fresh browser, again until it has the status: visit STATUS URL.
func cmdVisit(ts *testscript.TestScript, _ bool, args []string) {
	b, late := newBrowser(ts), time.After(deadline)
	for {
		page := b.get(args[1])
		if strconv.Itoa(page.status) == args[0] {
			b.shows(page, args[0])
			return
		}
		select {
		case <-late:
			b.shows(page, args[0])
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// shows makes the page the script's stdout and asks for its status.
func (b *browser) shows(p page, want string) {
	_, err := io.WriteString(b.ts.Stdout(), p.text)
	b.ts.Check(err)
	if strconv.Itoa(p.status) != want {
		b.ts.Fatalf("%s answers %d, want %s:\n%s", p.url, p.status, want, p.text)
	}
}

// atProvider opens a page of the service, follows its link to the provider and signs in there. It returns where that leads.
func (b *browser) atProvider(target, user, password string) page {
	p := b.get(target)
	link, ok := linkTo(p, "/sign-in/oidc")
	if !ok {
		b.ts.Fatalf("no link leads to the provider from %s (%d):\n%s", p.url, p.status, p.text)
	}
	to, err := p.url.Parse(link)
	b.ts.Check(err)
	p = b.get(to.String())
	if p.url.Host == to.Host {
		return p // an error of the service's
	}
	return b.submit(p, map[string]string{"username": user, "password": password})
}

// linkTo returns the first link of a page whose address begins so.
func linkTo(p page, prefix string) (string, bool) {
	root, err := html.Parse(strings.NewReader(p.text))
	if err != nil {
		return "", false
	}
	for n := range root.Descendants() {
		if href := attribute(n, "href"); n.Data == "a" && strings.HasPrefix(href, prefix) {
			return href, true
		}
	}
	return "", false
}

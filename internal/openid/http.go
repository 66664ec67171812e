package openid

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

// Limits of what the provider is asked and answers.
const (
	requestTimeout = 5 * time.Second
	maxAnswer      = 1 << 20 // bytes, of a body
	maxHeader      = 64 << 10
)

// bounded returns a client that ends each request in time, reads answers up to a limit and follows no redirect: one of the
// provider's could lead into the network that this service stands in, or to keys that somebody else holds (CVE-2026-49478).
func bounded(base *http.Client, timeout time.Duration) *http.Client {
	var client http.Client
	if base != nil {
		client = *base
	}
	if client.Transport == nil {
		client.Transport = transport()
	}
	client.Transport = limited{client.Transport}
	client.Timeout = timeout
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return errRedirect }
	return &client
}

// transport is Go's own with a limit on headers. Sign-ins are too far between for a connection to be worth keeping.
func transport() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	own := base.Clone()
	own.MaxResponseHeaderBytes = maxHeader
	own.DisableKeepAlives = true
	return own
}

// limited cuts every answer at maxAnswer, whoever reads it.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

// limitedBody fails, rather than ends, when it holds more than it may: half an answer is none.
type limitedBody struct {
	io.ReadCloser

	left int
}

func (b *limitedBody) Read(into []byte) (int, error) {
	if len(into) > b.left+1 {
		into = into[:b.left+1]
	}
	n, err := b.ReadCloser.Read(into)
	if n > b.left {
		return b.left, errTooLarge
	}
	b.left -= n
	return n, err
}

// get reads a JSON object; bearer may be empty. Members match by their exact name and none may be there twice.
func (p *Provider) get(ctx context.Context, url, bearer string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return errUnknown
	}
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return reason(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return statusError(resp.StatusCode)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reason(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errForm
	}
	return nil
}

package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Device is a sign-in that waits for a person (RFC 8628).
type Device struct {
	// UserCode is what the person compares or types.
	UserCode string
	// URL is the page where they do; Complete is the same with the code filled in. Both are of the service's own origin.
	URL, Complete string
	// Lifetime is how long there is.
	Lifetime time.Duration

	code     string
	interval time.Duration
}

// Bounds of what a service may ask for: a person needs minutes, and a program must neither hammer nor sleep.
const (
	maxLifetime = 30 * time.Minute
	minInterval = time.Second
	maxInterval = 30 * time.Second
	// slowDown is what each slow_down adds (RFC 8628 §3.5).
	slowDown = 5 * time.Second
)

// StartDevice begins to sign this program in. clientID and host are what the person is shown of it.
func (c *Client) StartDevice(ctx context.Context, clientID, host string) (Device, error) {
	form := url.Values{"client_id": {clientID}}
	set(form, "host_name", host)
	var out api.DeviceCode
	if err := c.do(ctx, request{method: http.MethodPost, path: "/v1/device/code", form: form}, &out); err != nil {
		return Device{}, err
	}
	for _, page := range []string{out.VerificationURI, out.VerificationURIComplete} {
		if err := c.ownPage(page); err != nil {
			return Device{}, err
		}
	}
	if out.DeviceCode == "" || len(out.UserCode) > 32 || strings.Trim(out.UserCode, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" ||
		out.UserCode == "" || out.ExpiresIn <= 0 {
		return Device{}, c.oddSignIn("began a sign-in with a code or a time that can't be used")
	}
	return Device{
		UserCode: out.UserCode, URL: out.VerificationURI, Complete: out.VerificationURIComplete, code: out.DeviceCode,
		Lifetime: seconds(out.ExpiresIn, time.Second, maxLifetime), interval: seconds(out.Interval, minInterval, maxInterval),
	}, nil
}

// seconds is n seconds within bounds, whatever n is.
func seconds(n int64, least, most time.Duration) time.Duration {
	n = min(max(n, int64(least/time.Second)), int64(most/time.Second))
	return time.Duration(n) * time.Second
}

// ownPage refuses a page that is not on the service's own origin: it is about to be opened in a browser, where somebody else's
// page could ask for a password.
func (c *Client) ownPage(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != c.base.Scheme || !strings.EqualFold(u.Host, c.base.Host) || u.User != nil || u.Opaque != "" {
		return c.oddSignIn("named a sign-in page that is not its own")
	}
	return nil
}

func (c *Client) oddSignIn(what string) error {
	return &Error{
		Origin: c.Origin(), Code: CodeOddAnswer, Message: c.Origin() + " " + what,
		Fix: "use the URL that the service has as its public one; its operator knows it",
	}
}

// Why a sign-in with a device ended without a session.
var (
	ErrDenied  = errors.New("the sign-in was denied in the browser")
	ErrExpired = errors.New("nobody approved the sign-in in time")
)

// AwaitDevice asks, as often as the service lets it, until the person has decided: the session's token, ErrDenied or
// ErrExpired. A service that can't be reached meanwhile is asked again.
func (c *Client) AwaitDevice(ctx context.Context, d Device) (secret.Secret, error) {
	wait, cancel := context.WithTimeout(ctx, d.Lifetime)
	defer cancel()
	interval := d.interval
	for {
		if err := sleep(wait, interval); err != nil {
			return secret.Secret{}, deviceOver(ctx)
		}
		token, err := c.pollDevice(wait, d)
		var answered *Error
		var unreachable *UnreachableError
		switch {
		case err == nil:
			return token, nil
		case wait.Err() != nil:
			return secret.Secret{}, deviceOver(ctx)
		case errors.As(err, &unreachable), errors.As(err, &answered) && answered.Status >= http.StatusInternalServerError:
			interval = min(2*interval, maxInterval)
		case answered == nil:
			return secret.Secret{}, err
		case api.OAuthCode(answered.Code) == api.OAuthPending:
		case api.OAuthCode(answered.Code) == api.OAuthSlowDown:
			interval = min(interval+slowDown, maxInterval)
		case api.OAuthCode(answered.Code) == api.OAuthDenied:
			return secret.Secret{}, ErrDenied
		case api.OAuthCode(answered.Code) == api.OAuthExpired:
			return secret.Secret{}, ErrExpired
		default:
			return secret.Secret{}, err
		}
	}
}

// deviceOver tells the person's own Ctrl-C from time that ran out.
func deviceOver(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return ErrExpired
}

func (c *Client) pollDevice(ctx context.Context, d Device) (secret.Secret, error) {
	form := url.Values{"grant_type": {api.DeviceGrantType}, "device_code": {d.code}}
	var out api.AccessToken
	if err := c.do(ctx, request{method: http.MethodPost, path: "/v1/device/token", form: form}, &out); err != nil {
		return secret.Secret{}, err
	}
	return c.sessionToken(out.AccessToken)
}

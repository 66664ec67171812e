package pages

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The cookies, by what they hold.
const (
	sessionCookie = "session" // the token of a session of kind api.SessionBrowser
	formCookie    = "form"    // the token that our forms carry as well
	openIDCookie  = "oidc"    // pending, sealed
	receiptCookie = "receipt" // receipt, sealed
)

// cookieName is the full name of a cookie. On https the prefix has the browser refuse one that another host of the domain
// or a page without TLS sets (RFC 6265bis §4.1.3.2). On http, which is loopback alone, cookies are shared by all ports: the
// port keeps two services apart.
func (p *Pages) cookieName(cookie string) string {
	if p.secure() {
		return "__Host-keyfob-" + cookie
	}
	if port := p.PublicURL.Port(); port != "" {
		return "keyfob-" + port + "-" + cookie
	}
	return "keyfob-" + cookie
}

func (p *Pages) secure() bool { return p.PublicURL.Scheme == "https" }

// cookie returns the value of a cookie; empty if there is none, or more than one: then somebody else has set it as well.
func (p *Pages) cookie(r *http.Request, cookie string) string {
	found := r.CookiesNamed(p.cookieName(cookie))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// setCookie gives the browser a cookie for life, 0 being until it is closed. Lax, not Strict: an OpenID provider's page
// leads back to us, and so does a link in a terminal's window.
func (p *Pages) setCookie(w http.ResponseWriter, cookie, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: not Secure on http, which is loopback alone
		Name: p.cookieName(cookie), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: p.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (p *Pages) dropCookie(w http.ResponseWriter, cookie string) {
	p.setCookie(w, cookie, "", -time.Second)
}

// sealed is what a sealed cookie holds: the value, and until when it counts, whatever the browser makes of its lifetime.
type sealed[T any] struct {
	Until time.Time
	Value T
}

// setSealed gives the browser a cookie that it can neither read nor change.
func setSealed[T any](p *Pages, w http.ResponseWriter, cookie string, value T, life time.Duration) error {
	text, err := json.Marshal(sealed[T]{p.Now().Add(life), value})
	if err != nil {
		return fmt.Errorf("encode the cookie %s: %w", cookie, err)
	}
	shut, err := p.Cookies.Seal(purpose(cookie), text)
	if err != nil {
		return fmt.Errorf("seal the cookie %s: %w", cookie, err)
	}
	p.setCookie(w, cookie, base64.RawURLEncoding.EncodeToString(shut), life)
	return nil
}

// openSealed returns what a sealed cookie holds. A cookie that is not there, not ours or too old is none.
func openSealed[T any](p *Pages, r *http.Request, cookie string) (value T, ok bool) {
	shut, err := base64.RawURLEncoding.DecodeString(p.cookie(r, cookie))
	if err != nil || len(shut) == 0 {
		return value, false
	}
	text, err := p.Cookies.Open(purpose(cookie), shut)
	if err != nil {
		return value, false
	}
	var held sealed[T]
	if err := json.Unmarshal(text, &held); err != nil || !p.Now().Before(held.Until) {
		return value, false
	}
	return held.Value, true
}

func purpose(cookie string) string { return "cookie " + cookie }

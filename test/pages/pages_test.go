package pages_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPages runs every case in one Chromium, each in a browser context of its own.
func TestPages(t *testing.T) {
	t.Parallel()
	c := startChromium(t, newFront(t))
	for name, test := range map[string]func(visit){
		"screenshots": screenshots,

		"approve":          approve,
		"deny":             deny,
		"wrong codes":      wrongCodes,
		"expired code":     expiredCode,
		"replay":           replay,
		"double submit":    doubleSubmit,
		"hostile names":    hostileNames,
		"without script":   withoutScript,
		"on a phone":       onPhone,
		"https":            onHTTPS,
		"session ends":     sessionEnds,
		"sign out":         signOut,
		"wrong password":   wrongPassword,
		"provider":         provider,
		"provider refuses": providerRefuses,

		"first set-up":      firstSetUp,
		"join":              join,
		"join with account": joinWithAccount,
		"password link":     passwordLink,

		"framed":        framed,
		"foreign forms": foreignForms,
		"open redirect": openRedirect,
		"keyboard":      keyboard,
		"axe finds":     axeFinds,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(visit{c, t})
		})
	}
}

// visit is one case.
type visit struct {
	*chromium

	t *testing.T
}

// signIn fills in the sign-in page that is open.
func (b *tab) signIn() {
	b.t.Helper()
	b.signInTo("Enter your code")
}

// signInTo is signIn where it leads to another page.
func (b *tab) signInTo(heading string) {
	b.t.Helper()
	b.fill("email", adasEmail, "password", adasPassword)
	b.leads(200, heading, press("Sign in"))
}

// screenshots are what docs shows.
func screenshots(v visit) {
	t, c := v.t, v.chromium
	fresh := c.front.service(t, "keys.example.com", nil)
	b := c.tab(t, fresh)
	token, _, err := fresh.core.OpenFirstSetUp(t.Context())
	noError(t, err)
	b.opens("/setup/"+token, 200, "Set up Keyfob")
	b.fill("org_name", "Acme, Inc.", "org_slug", "acme", "name", "Ada Lovelace", "email", adasEmail,
		"password", adasPassword, "password_again", adasPassword)
	b.do(chromedp.Blur(chromedp.ID("password_again")))
	b.document("set-up", "light", widest)
	b.document("set-up-dark", "dark", widest)
	fresh.setUp(t)
	started := fresh.start(t, "keyfob", "ada-laptop")
	b.opens("/device", 200, "Sign in")
	b.document("sign-in", "light", widest)
	b.document("sign-in-dark", "dark", widest)
	b.signIn()
	fresh.clock.add(61e9)
	b.opens("/device?code="+started.UserCode, 200, "Approve this sign-in?")
	b.document("approve", "light", widest)
	b.document("approve-dark", "dark", widest)
	b.document("approve-phone", "light", 390)
}

package pages

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
)

// principal is Ada's.
func (h *harness) principal(t *testing.T) core.Principal {
	t.Helper()
	in, err := h.core.StartSession(t.Context(), h.ada.ID, api.SessionCLI, core.Client{})
	noError(t, err)
	p, err := h.core.Authenticate(t.Context(), in.Token.Reveal())
	noError(t, err)
	return p
}

// invite returns the path of a link by which the address joins Acme.
func (h *harness) invite(t *testing.T, email string) string {
	t.Helper()
	_, token, err := h.core.AddMember(t.Context(), h.principal(t), "acme", email, api.RoleAdmin)
	noError(t, err)
	return "/setup/" + token
}

// member is a further member of Acme, with Ada's password.
func (h *harness) member(t *testing.T, email string) core.User {
	t.Helper()
	user, err := h.core.FinishSetUp(t.Context(), strings.TrimPrefix(h.invite(t, email), "/setup/"),
		core.Account{UserName: "Eve", Password: adasPassword}, core.Origin{})
	noError(t, err)
	return user
}

// emptied gives the harness a service without any user.
func (h *harness) emptied(t *testing.T) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "keyfob.db"))
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	h.core, err = core.New(core.Config{
		Store: db, Now: h.clock.Now, Passwords: true, Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}},
	})
	noError(t, err)
	t.Cleanup(func() { _ = h.core.Close(t.Context()) })
	h.pages.Core, h.pages.Cookies = h.core, h.core
}

func TestFirstSetUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.emptied(t)
	token, _, err := h.core.OpenFirstSetUp(t.Context())
	noError(t, err)
	b, path := h.browser(), "/setup/"+token
	b.get(path).page(http.StatusOK, "Set up Keyfob", "This link works once, until 4 February 2031, 04:05 UTC.", `autocomplete="new-password"`)

	entered := form{
		"org_name": "Acme, <Inc.>", "org_slug": "acme", "name": "Ada", "email": "Ada@Example.com",
		"password": adasPassword, "password_again": adasPassword + "x",
	}
	a := b.submit(path, entered).page(http.StatusBadRequest, "Set up Keyfob", "The two passwords are not the same. Type them again.",
		`value="Acme, &lt;Inc.&gt;"`, `value="acme"`, `value="Ada"`, `value="Ada@Example.com"`)
	if strings.Contains(a.body, adasPassword) {
		t.Error("the page holds the password")
	}
	entered["password_again"], entered["org_slug"] = adasPassword, "Acme Inc"
	b.submit(path, entered).page(http.StatusBadRequest, "Set up Keyfob", "slug")
	entered["org_slug"] = "acme"
	b.submit(path, entered).redirects(path)

	for range 2 {
		b.get(path).page(http.StatusOK, "Keyfob is ready", "You are the owner of <b><bdi>Acme, &lt;Inc.&gt;</bdi></b> now.", "keyfob auth login --url "+h.url)
	}
	b.get("/device").page(http.StatusOK, enterTitle, "<bdi>Ada</bdi>")
	b.submit(path, entered).redirects(path) // sent once more
	h.browser().get(path).page(http.StatusNotFound, "This does not work any more", "a set-up link works once")
	h.browser().submit(path, entered).page(http.StatusNotFound, "This does not work any more")
}

func TestJoin(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	path := h.invite(t, "eve@example.com")
	b := h.browser()
	b.get(path).page(http.StatusOK, "Join Acme", "<bdi>Ada</bdi></b> has invited you to <b><bdi>Acme</bdi></b> as admin", `value="eve@example.com"`, "readonly")
	// The address is the link's, whatever the form says.
	b.submit(path, form{"name": "Eve", "email": "mallory@example.com", "password": adasPassword, "password_again": adasPassword}).redirects(path)
	b.get(path).page(http.StatusOK, "You have joined", "You are a member of <b><bdi>Acme</bdi></b> now.")
	b.get("/device").page(http.StatusOK, enterTitle, "<bdi>Eve</bdi>", "<bdi>eve@example.com</bdi>")
}

func TestJoinWithAnAccount(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.member(t, "eve@example.com")
	_, _, err := h.core.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "globex", OrgName: "Globex", UserName: "Gus"})
	noError(t, err)
	noError(t, h.core.RemoveMember(t.Context(), h.principal(t), "acme", "eve@example.com"))
	path := h.invite(t, "eve@example.com")
	b := h.browser()
	page := b.get(path).page(http.StatusOK, "Join Acme", "You have an account already", `autocomplete="current-password"`).body
	if strings.Contains(page, "password_again") {
		t.Error("it asks for a new password")
	}
	b.submit(path, form{"password": "wrong"}).page(http.StatusForbidden, "Join Acme", `role="alert"`, "the password is wrong")
	b.submit(path, form{"password": adasPassword}).redirects(path)
	b.get(path).page(http.StatusOK, "You have joined")
}

func TestNewPassword(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token, err := h.core.NewPasswordSetUp(t.Context(), "ada@example.com")
	noError(t, err)
	b, path := h.signedIn(), "/setup/"+token
	const fresh = "quite another fine password"
	b.get(path).page(http.StatusOK, "Choose a new password", `value="ada@example.com"`)
	b.submit(path, form{"password": "short", "password_again": "short"}).page(http.StatusBadRequest, "Choose a new password", `role="alert"`, "15")
	b.submit(path, form{"password": fresh, "password_again": fresh}).redirects(path)
	b.get(path).page(http.StatusOK, "Your password is set", "close this window")
	b.get("/device").page(http.StatusOK, enterTitle) // signed in with the new one; the session before has ended
	h.browser().submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword}).page(http.StatusForbidden, "Sign in")
	h.browser().submit("/sign-in", form{"email": "ada@example.com", "password": fresh}).redirects("/device")
}

func TestLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	path := h.invite(t, "eve@example.com")
	h.clock.add(365 * 24 * time.Hour)
	b := h.browser()
	for _, link := range []string{path, "/setup/none", "/setup/%2F%2Fevil.example", "/setup/" + strings.Repeat("x", 4000)} {
		b.get(link).page(http.StatusNotFound, "This does not work any more", "a set-up link works once", testRequestID)
		b.submit(link, nil).page(http.StatusNotFound, "This does not work any more")
	}
}

// TestALinkThatEndsMeanwhile is used up between the opening of its page and the sending of the form.
func TestALinkThatEndsMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	path := h.invite(t, "eve@example.com")
	b := h.browser()
	token := b.token()
	b.get(path).page(http.StatusOK, "Join Acme")
	noError(t, h.core.RemoveMember(t.Context(), h.principal(t), "acme", "eve@example.com"))
	b.post(path, token, form{"name": "Eve", "password": adasPassword, "password_again": adasPassword}).
		page(http.StatusNotFound, "This does not work any more")
}

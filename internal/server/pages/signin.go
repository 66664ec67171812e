package pages

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// signInBody is what the sign-in page shows.
type signInBody struct {
	Next      string // a page of nextPage
	Code      string // that Next asks about; empty: none
	Email     string
	Provider  string // the host of the OpenID provider; empty: passwords
	Link      string // that leads to it
	SignedOut bool
}

func (p *Pages) signInBody(next string) signInBody {
	_, code, _ := strings.Cut(next, "?code=")
	body := signInBody{Next: next, Code: code}
	if p.OpenID != nil {
		body.Provider, body.Link = p.OpenID.Name(), strings.Replace(signInFor(next), signInPath, signInPath+"/oidc", 1)
	}
	return body
}

func (p *Pages) showSignIn(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	body := p.signInBody(nextPage(query.Get("next")))
	_, in, err := p.principal(r)
	if err != nil {
		return err
	}
	if in {
		return seeOther(w, r, body.Next)
	}
	body.SignedOut = query.Has("signed_out")
	return p.show(w, r, "sign_in", view{Title: "Sign in", Body: body})
}

func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) error {
	form := r.PostForm
	body := p.signInBody(nextPage(form.Get("next")))
	if p.OpenID != nil {
		return &core.Error{
			Code: api.CodeForbidden, Detail: "this service has no passwords", Fix: "sign in with " + p.OpenID.Name(),
		}
	}
	body.Email = strings.TrimSpace(form.Get("email"))
	user, err := p.Core.SignInPassword(r.Context(), body.Email, form.Get("password"), p.Origin(r))
	if err != nil {
		return p.again(w, r, "sign_in", view{Title: "Sign in", Body: body}, err)
	}
	if err := p.startSession(w, r, user); err != nil {
		return err
	}
	return seeOther(w, r, body.Next)
}

func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) error {
	who, in, err := p.principal(r)
	if err != nil {
		return err
	}
	if in {
		if err := p.Core.EndSession(r.Context(), who); err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
	}
	p.dropCookie(w, sessionCookie)
	p.dropCookie(w, receiptCookie)
	return seeOther(w, r, signInPath+"?signed_out")
}

// signedIn makes a handler one for people who are signed in; others are sent to sign in and come back.
func (p *Pages) signedIn(h func(http.ResponseWriter, *http.Request, core.Principal) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, in, err := p.principal(r)
		if err != nil {
			return err
		}
		if !in {
			code := r.URL.Query().Get("code")
			if r.Method == http.MethodPost {
				code = r.PostForm.Get("code")
			}
			return seeOther(w, r, signInFor(deviceWith(code)))
		}
		return h(w, r, who)
	}
}

// principal returns who is signed in in this browser; ok is false if nobody is. A session of another kind does not count:
// its token has no business in a cookie.
func (p *Pages) principal(r *http.Request) (who core.Principal, ok bool, err error) {
	token := p.cookie(r, sessionCookie)
	if token == "" {
		return core.Principal{}, false, nil
	}
	who, err = p.Core.Authenticate(r.Context(), token)
	if refusal, is := errors.AsType[*core.Error](err); is && refusal.Code == api.CodeUnauthenticated {
		return core.Principal{}, false, nil
	}
	if err != nil {
		return core.Principal{}, false, fmt.Errorf("read the session: %w", err)
	}
	if who.Session.Kind != api.SessionBrowser {
		return core.Principal{}, false, nil
	}
	return who, true, nil
}

// startSession signs the user in in this browser, in the place of whoever was.
func (p *Pages) startSession(w http.ResponseWriter, r *http.Request, user core.User) error {
	before, in, err := p.principal(r)
	if err != nil {
		return err
	}
	made, err := p.Core.StartSession(r.Context(), user.ID, api.SessionBrowser, core.Client{Name: browserName(r.UserAgent())})
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if in {
		if err := p.Core.EndSession(r.Context(), before); err != nil {
			return fmt.Errorf("end the session before: %w", err)
		}
	}
	p.setCookie(w, sessionCookie, made.Token.Reveal(), made.Session.ExpiresAt.Sub(p.Now()))
	return nil
}

package pages

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// openIDLife is how long a sign-in at the provider may take.
const openIDLife = 10 * time.Minute

// pending is a sign-in whose browser is at the provider. The browser carries it: a service that kept it could be filled up
// by people who never come back.
type pending struct {
	State, Nonce, Verifier string
	Next                   string // a page of nextPage
}

func (p *Pages) startOpenID(w http.ResponseWriter, r *http.Request) error {
	if p.OpenID == nil {
		return noSuchPage()
	}
	begun := pending{
		State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(),
		Next: nextPage(r.URL.Query().Get("next")),
	}
	to, err := p.OpenID.AuthURL(r.Context(), begun.State, begun.Nonce, begun.Verifier)
	if err != nil {
		return err
	}
	if err := setSealed(p, w, openIDCookie, begun, openIDLife); err != nil {
		return err
	}
	return seeOther(w, r, to)
}

// finishOpenID is where the provider sends the browser back to. An answer to what this browser has begun counts once,
// whatever comes of it; any other changes nothing.
func (p *Pages) finishOpenID(w http.ResponseWriter, r *http.Request) error {
	if p.OpenID == nil {
		return noSuchPage()
	}
	begun, ok := openSealed[pending](p, r, openIDCookie)
	query := r.URL.Query()
	state := query["state"]
	if !ok || len(state) != 1 || subtle.ConstantTimeCompare([]byte(state[0]), []byte(begun.State)) != 1 {
		if _, in, err := p.principal(r); err == nil && in { // gone back to, or finished in another window
			return seeOther(w, r, devicePath)
		}
		return signInOver()
	}
	p.dropCookie(w, openIDCookie)
	if err := p.Core.SpendSignIn(r.Context(), begun.State, openIDLife); errors.Is(err, core.ErrSpent) {
		return signInOver()
	} else if err != nil {
		return err
	}
	id, err := p.OpenID.Exchange(r.Context(), query, begun.Nonce, begun.Verifier)
	if err != nil {
		return err
	}
	user, err := p.Core.SignInIdentity(r.Context(), id)
	if err != nil {
		return err
	}
	if err := p.startSession(w, r, user); err != nil {
		return err
	}
	return seeOther(w, r, begun.Next)
}

func signInOver() error {
	return &core.Error{
		Code:   api.CodeForbidden,
		Detail: "this sign-in took too long, is over already, or was begun in another browser or window",
		Fix:    "sign in again",
	}
}

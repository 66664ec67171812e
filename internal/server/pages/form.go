package pages

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	maxForm    = 16 << 10 // bytes
	tokenField = "form_token"
)

// readForm reads the form into r.PostForm if it is ours: sent by one of our own pages, with the token that this browser
// has in a cookie. Either check would do alone; the browsers that know nothing of the first are old.
func (p *Pages) readForm(w http.ResponseWriter, r *http.Request) error {
	if err := p.cross.Check(r); err != nil {
		return &core.Error{
			Code: api.CodeOriginNotAllowed, Detail: "the form was sent by a page of another site",
			Fix: "go on only if you meant to: open the page here and fill it in yourself",
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &core.Error{Code: api.CodeBodyTooLarge, Detail: "the form is too large", Fix: "go back and enter less"}
	}
	if err != nil {
		return &core.Error{Code: api.CodeInvalidRequest, Detail: "the form can't be read", Fix: "go back and send it again"}
	}
	want, sent := p.cookie(r, formCookie), r.PostForm.Get(tokenField)
	if want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(sent)) != 1 {
		return &core.Error{
			Code: api.CodeForbidden, Detail: "the form is out of date, or your browser keeps no cookies for this site",
			Fix: "go back, reload the page and send it again",
		}
	}
	return nil
}

// formToken returns the token of this browser's forms, and gives it one if it has none.
func (p *Pages) formToken(w http.ResponseWriter, r *http.Request) string {
	if token := p.cookie(r, formCookie); len(token) == len(rand.Text()) {
		return token
	}
	token := rand.Text()
	p.setCookie(w, formCookie, token, 0)
	return token
}

package pages

import (
	"errors"
	"net/http"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	enterTitle  = "Enter your code"
	decideTitle = "Approve this sign-in?"
)

// codeBody is what the page shows where a code is typed.
type codeBody struct{ Code string }

// decideBody is what the page shows where a sign-in is approved or denied.
type decideBody struct {
	Grant     core.DeviceGrant
	Age, Left string
}

// showDevice asks for a code or, with one in the query, whether to approve what asks under it. Once it was decided in this
// browser it says what was: reloading and going back do no harm.
func (p *Pages) showDevice(w http.ResponseWriter, r *http.Request, who core.Principal) error {
	code := r.URL.Query().Get("code")
	if code == "" {
		return p.show(w, r, "code", view{Title: enterTitle, User: &who.User, Body: codeBody{}})
	}
	if done, ok := p.deviceReceipt(r, who, code); ok {
		return p.showReceipt(w, r, done, &who.User)
	}
	grant, err := p.Core.Device(r.Context(), who, code)
	if err != nil {
		return p.wrongCode(w, r, who, code, err)
	}
	now := p.Now()
	return p.show(w, r, "decide", view{Title: decideTitle, User: &who.User, Body: decideBody{
		Grant: grant, Age: ago(now.Sub(grant.CreatedAt)), Left: in(grant.ExpiresAt.Sub(now)),
	}})
}

// enterCode takes a typed code. It is asked about on a page of its own, which can be reloaded.
func (p *Pages) enterCode(w http.ResponseWriter, r *http.Request, who core.Principal) error {
	code := r.PostForm.Get("code")
	if _, ok := p.deviceReceipt(r, who, code); ok {
		return seeOther(w, r, deviceWith(code))
	}
	grant, err := p.Core.Device(r.Context(), who, code)
	if err != nil {
		return p.wrongCode(w, r, who, code, err)
	}
	return seeOther(w, r, deviceWith(grant.UserCode))
}

func (p *Pages) wrongCode(w http.ResponseWriter, r *http.Request, who core.Principal, code string, err error) error {
	return p.again(w, r, "code", view{Title: enterTitle, User: &who.User, Body: codeBody{cut(code)}}, err)
}

// decide approves or denies a sign-in, once.
func (p *Pages) decide(w http.ResponseWriter, r *http.Request, who core.Principal) error {
	code, decision := r.PostForm.Get("code"), r.PostForm.Get("decision")
	if decision != receiptApproved && decision != receiptDenied {
		return &core.Error{Code: api.CodeInvalidRequest, Detail: "the form says neither approve nor deny", Fix: "go back and choose one"}
	}
	if done, ok := p.deviceReceipt(r, who, code); ok {
		return p.decidedAlready(w, r, who, done)
	}
	grant, err := p.Core.Device(r.Context(), who, code)
	if err == nil {
		err = p.Core.DecideDevice(r.Context(), who, code, decision == receiptApproved)
	}
	if refusal, ok := errors.AsType[*core.Error](err); ok && refusal.Code == api.CodeNotFound {
		return p.decidedAlready(w, r, who, receipt{})
	}
	if err != nil {
		return err
	}
	done := receipt{
		For: deviceReceiptFor(who, code), Kind: decision,
		Client: grant.Client.Name, Host: grant.Client.Host,
	}
	if err := p.giveReceipt(w, done); err != nil {
		return err
	}
	return seeOther(w, r, deviceWith(grant.UserCode))
}

// decidedAlready answers a second decision. Where the first was made in another browser nothing is known of it here.
func (p *Pages) decidedAlready(w http.ResponseWriter, r *http.Request, who core.Principal, done receipt) error {
	return p.show(w, r, "decided", view{Status: http.StatusConflict, Title: "This was decided already", User: &who.User, Body: done})
}

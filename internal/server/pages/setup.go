package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// setUpBody is what a set-up page shows: what the link is for, and what was entered, without passwords.
type setUpBody struct {
	core.SetUp

	Until    string
	OrgName  string
	OrgSlug  string
	Address  string
	UserName string
}

func (p *Pages) showSetUp(w http.ResponseWriter, r *http.Request) error {
	token := r.PathValue("token")
	if done, ok := p.receiptFor(r, setUpReceiptFor(token)); ok {
		return p.showReceipt(w, r, done, nil)
	}
	link, err := p.Core.SetUp(r.Context(), token)
	if err != nil {
		return err
	}
	return p.show(w, r, "setup", setUpView(link, setUpBody{}))
}

func (p *Pages) finishSetUp(w http.ResponseWriter, r *http.Request) error {
	token, form := r.PathValue("token"), r.PostForm
	if _, ok := p.receiptFor(r, setUpReceiptFor(token)); ok {
		return seeOther(w, r, setUpPath(token))
	}
	link, err := p.Core.SetUp(r.Context(), token)
	if err != nil {
		return err
	}
	account := core.Account{
		OrgSlug: strings.TrimSpace(form.Get("org_slug")), OrgName: strings.TrimSpace(form.Get("org_name")),
		UserName: strings.TrimSpace(form.Get("name")), Password: form.Get("password"),
	}
	if link.Kind == core.SetUpFirst {
		account.Email = strings.TrimSpace(form.Get("email"))
	}
	user, err := p.finish(r, token, link, account)
	if err != nil {
		body := setUpBody{OrgName: account.OrgName, OrgSlug: account.OrgSlug, Address: account.Email, UserName: account.UserName}
		return p.setUpAgain(w, r, setUpView(link, body), err)
	}
	if err := p.startSession(w, r, user); err != nil {
		return err
	}
	done := receipt{For: setUpReceiptFor(token), Kind: string(link.Kind), Org: link.Org.Name}
	if link.Kind == core.SetUpFirst {
		done.Org = account.OrgName
	}
	if done.Org == "" {
		done.Org = account.OrgSlug
	}
	if err := p.giveReceipt(w, done); err != nil {
		return err
	}
	return seeOther(w, r, setUpPath(token))
}

func setUpPath(token string) string { return "/setup/" + url.PathEscape(token) }

// confirms says that the password is one that there is: its account joins a further org.
func confirms(link core.SetUp) bool { return link.Kind == core.SetUpMember && link.HasAccount }

// finish uses the link, if a new password was typed alike twice: nobody sees what they type here.
func (p *Pages) finish(r *http.Request, token string, link core.SetUp, account core.Account) (core.User, error) {
	if !confirms(link) && account.Password != r.PostForm.Get("password_again") {
		return core.User{}, &core.Error{Code: api.CodeInvalidRequest, Detail: "the two passwords are not the same", Fix: "type them again"}
	}
	return p.Core.FinishSetUp(r.Context(), token, account, p.Origin(r))
}

// setUpAgain shows the form again with what is wrong. A link that has ended meanwhile has no form any more.
func (p *Pages) setUpAgain(w http.ResponseWriter, r *http.Request, v view, err error) error {
	if refusal, ok := errors.AsType[*core.Error](err); ok && refusal.Code == api.CodeNotFound {
		return err
	}
	return p.again(w, r, "setup", v, err)
}

// setUpView is the form of a link, filled in with what was entered before.
func setUpView(link core.SetUp, entered setUpBody) view {
	entered.SetUp, entered.Until = link, link.ExpiresAt.UTC().Format("2 January 2006, 15:04 MST")
	if link.Email != "" {
		entered.Address = link.Email
	}
	title := map[core.SetUpKind]string{
		core.SetUpFirst:    "Set up Keyfob",
		core.SetUpMember:   "Join " + link.Org.Name,
		core.SetUpPassword: "Choose a new password",
	}[link.Kind]
	return view{Title: title, Body: entered}
}

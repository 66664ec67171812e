package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/keyfob/keyfob/internal/core"
)

// receiptLife is for how long the browser can show again what was done; a code lives as long.
const receiptLife = 10 * time.Minute

// The kinds of receipt; the first two are what the decision form sends.
const (
	receiptApproved = "approve"
	receiptDenied   = "deny"
	receiptFirst    = string(core.SetUpFirst)
	receiptMember   = string(core.SetUpMember)
	receiptPassword = string(core.SetUpPassword)
)

// receipt says what was done, to the browser where it was. A code or a link works once; with its receipt the page behind it
// can still be reloaded and gone back to.
type receipt struct {
	For  string // what it was done with
	Kind string

	Client, Host string // of a decision
	Org          string // of a set-up
}

func (p *Pages) giveReceipt(w http.ResponseWriter, done receipt) error {
	return setSealed(p, w, receiptCookie, done, receiptLife)
}

// receiptFor returns this browser's receipt, if it is for the thing.
func (p *Pages) receiptFor(r *http.Request, thing string) (receipt, bool) {
	done, ok := openSealed[receipt](p, r, receiptCookie)
	return done, ok && done.For == thing
}

func (p *Pages) deviceReceipt(r *http.Request, who core.Principal, code string) (receipt, bool) {
	return p.receiptFor(r, deviceReceiptFor(who, code))
}

// deviceReceiptFor names a code and who decided on it.
func deviceReceiptFor(who core.Principal, code string) string {
	return "device " + who.User.ID + " " + lettersOf(code)
}

// setUpReceiptFor names a set-up link without its token.
func setUpReceiptFor(token string) string {
	digest := sha256.Sum256([]byte(token))
	return "set-up " + base64.RawURLEncoding.EncodeToString(digest[:])
}

// showReceipt says what was done. user is who is signed in; nil: not known.
func (p *Pages) showReceipt(w http.ResponseWriter, r *http.Request, done receipt, user *core.User) error {
	title := map[string]string{
		receiptApproved: "Approved",
		receiptDenied:   "Denied",
		receiptFirst:    "Keyfob is ready",
		receiptMember:   "You have joined",
		receiptPassword: "Your password is set",
	}[done.Kind]
	mark := markDone
	if done.Kind == receiptDenied {
		mark = markNot
	}
	return p.show(w, r, "done", view{Title: title, Mark: mark, User: user, Body: done})
}

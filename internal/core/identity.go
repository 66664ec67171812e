package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Lengths of what names somebody at a provider.
const (
	issuerMax  = 1024
	subjectMax = 255 // OpenID Connect Core 1.0 §2
)

// SignInIdentity returns the user that an OpenID provider says has signed in; the caller starts the session. Who is known by issuer
// and subject is that user, whatever their address. Else a verified address decides, and one that is not verified never does:
//
//   - The account that has it, if it is bound to no identity, is bound to this one. If it has a password, whoever made it under
//     this address may have been somebody else, since nobody had proven it: password, sessions and tokens end.
//   - Who has no account gets one, if they are invited or a Join rule lets them in. The rules count then and at the binding alone:
//     who was removed since does not come back by signing in.
//
// Open invitations to the verified address are accepted. CodeForbidden: it leads to no account.
func (s *Service) SignInIdentity(ctx context.Context, id Identity) (User, error) {
	id, err := normalIdentity(id)
	if err != nil {
		return User{}, err
	}
	var (
		user    store.User
		refused error // to be told once what records it is written
	)
	err = s.update(ctx, func(tx store.Tx) error {
		open, err := s.invitedAnywhere(tx, id.Email)
		if err != nil {
			return err
		}
		rules, err := s.rulesFor(ctx, tx, id.Email)
		if err != nil {
			return err
		}
		var first bool
		if user, first, refused, err = s.identified(tx, id, len(open)+len(rules) > 0); err != nil || refused != nil {
			return err
		}
		for _, i := range open {
			if err := s.join(tx, i.OrgID, user, id.Email, i.Role, "invitation"); err != nil {
				return err
			}
		}
		if !first {
			return nil
		}
		for _, m := range rules {
			if err := s.join(tx, m.OrgID, user, id.Email, m.Role, "rule"); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return User{}, fmt.Errorf("sign in: %w", err)
	}
	return userOf(user), nil
}

// normalIdentity checks what a provider says. An address that is not verified, or none that we would take, is left out.
func normalIdentity(id Identity) (Identity, error) {
	if id.Issuer == "" || len(id.Issuer) > issuerMax {
		return id, invalidf("the OpenID provider's issuer has %d bytes: 1 to %d", len(id.Issuer), issuerMax)
	}
	if id.Subject == "" || len(id.Subject) > subjectMax {
		return id, invalidf("the OpenID provider's subject has %d bytes: 1 to %d", len(id.Subject), subjectMax)
	}
	if !storable(id.Issuer) || !storable(id.Subject) {
		return id, invalidf("the OpenID provider's issuer or subject holds a NUL, or is not UTF-8")
	}
	email, err := normalEmail(id.Email)
	if err != nil || !id.EmailVerified {
		email = ""
	}
	id.Email = email
	return id, nil
}

// storable says whether every store can hold the text: PostgreSQL's has no NUL.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// identified returns the user of an identity, and whether the identity is new; who is welcome is made a user. A refusal may come
// with something to write.
func (s *Service) identified(tx store.Tx, id Identity, welcome bool) (user store.User, first bool, refused, err error) {
	user, err = tx.UserByIdentity(id.Issuer, id.Subject)
	if !errors.Is(err, store.ErrNotFound) {
		return user, false, nil, err
	}
	user, found, err := account(tx, id.Email)
	switch {
	case err != nil:
		return user, false, nil, err
	case found && user.Issuer != "":
		refused = refusef(api.CodeForbidden, "ask whoever runs the service",
			"the account %s is another's at the OpenID provider: the same address, but not the same subject", shown(id.Email))
		return user, false, refused, s.noteRefusal(tx, user, s.triesOf(id.Email), facts("reason", "another identity", "issuer", id.Issuer))
	case found:
		return user, true, nil, s.bind(tx, &user, id)
	case welcome:
		user = store.User{Name: nameOf(id), Email: id.Email, Issuer: id.Issuer, Subject: id.Subject}
		return user, true, nil, s.addUser(tx, &user)
	case id.Email == "":
		refused = refusef(api.CodeForbidden, "have the address verified there, and sign in again",
			"the OpenID provider does not say that it has verified your e-mail address, and you have no account here")
	default:
		refused = refusef(api.CodeForbidden, "ask an owner or admin of your organisation to add you",
			"%s has no account here, and is not invited", shown(id.Email))
	}
	return user, false, refused, nil
}

// bind makes the account the identity's, and nobody's who had it by a password.
func (s *Service) bind(tx store.Tx, user *store.User, id Identity) error {
	by := actorOfUser(*user)
	if user.Password != "" {
		if _, err := s.signOut(tx, by, user.ID, "bound to an identity", anySession); err != nil {
			return err
		}
	}
	user.Issuer, user.Subject, user.Password = id.Issuer, id.Subject, ""
	return errors.Join(
		tx.UpdateUser(*user),
		s.userEvent(tx, "account.identity_bound", by, user.ID, facts("issuer", id.Issuer)),
	)
}

func (s *Service) invitedAnywhere(tx store.Tx, email string) ([]store.Invitation, error) {
	if email == "" {
		return nil, nil
	}
	return s.invited(tx, "", email)
}

// rulesFor returns what the rules for the domain of the address make its holder.
func (s *Service) rulesFor(ctx context.Context, tx store.Tx, email string) (out []store.Membership, err error) {
	for _, j := range s.joins {
		if email == "" || j.Domain != domainOf(email) {
			continue
		}
		org, err := tx.OrgBySlug(j.Org)
		if errors.Is(err, store.ErrNotFound) {
			s.log.WarnContext(ctx, "a rule lets people join an organisation that is not there", "domain", j.Domain, "org", j.Org)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, store.Membership{OrgID: org.ID, Role: string(j.Role)})
	}
	return out, nil
}

// nameOf makes a name of what the provider says.
func nameOf(id Identity) string {
	local, _, _ := strings.Cut(id.Email, "@")
	for _, name := range []string{cleaned(id.Name), cleaned(local)} {
		if name != "" {
			return name
		}
	}
	return "user"
}

// checkJoins refuses rules that could never hold.
func checkJoins(joins []Join) error {
	for _, j := range joins {
		if at, err := normalEmail("x@" + j.Domain); err != nil || domainOf(at) != j.Domain {
			return fmt.Errorf("core: a rule to join %q: the domain %q is none in lower case", j.Org, j.Domain)
		}
		if err := errors.Join(checkSlug(j.Org), checkRole(j.Role)); err != nil {
			return fmt.Errorf("core: a rule to join for the domain %q: %w", j.Domain, err)
		}
	}
	return nil
}

// SpendSignIn takes the state of a sign-in at an identity provider, which is worth nothing after life. ErrSpent: it was taken
// before, here or on another replica. That a provider takes its code once only (RFC 6749 section 4.1.2) is its promise, not ours.
func (s *Service) SpendSignIn(ctx context.Context, state string, life time.Duration) error {
	err := s.update(ctx, func(tx store.Tx) error {
		return s.spend(tx, "sign-in state", state, s.now().Add(life))
	})
	if errors.Is(err, store.ErrExists) {
		return ErrSpent
	}
	if err != nil {
		return fmt.Errorf("take the state of a sign-in: %w", err)
	}
	return nil
}

// ErrSpent says that what works once was used before.
var ErrSpent = errors.New("it was used before")

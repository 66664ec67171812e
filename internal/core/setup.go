package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// setUpLimit is how long a set-up link works that an operator hands over.
const setUpLimit = 24 * time.Hour

// OpenFirstSetUp returns the token of a link by which the first org and its owner are made, once, within 24 hours; the link before
// ends. ok is false when there is a user already, or the service keeps no passwords.
func (s *Service) OpenFirstSetUp(ctx context.Context) (token string, ok bool, err error) {
	if !s.passwords {
		return "", false, nil
	}
	err = s.update(ctx, func(tx store.Tx) error {
		taken, err := tx.AnyUser()
		if err != nil || taken {
			token, ok = "", false
			return err
		}
		ok = true
		token, err = s.addInvitation(tx, &store.Invitation{Kind: string(SetUpFirst), Role: string(api.RoleOwner), InvitedBy: operator().row()}, setUpLimit)
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("open the first set-up: %w", err)
	}
	return token, ok, nil
}

// NewPasswordSetUp returns the token of a link by which the holder of an account sets a new password, once, within 24 hours; the
// link before ends. It is for the operator, who knows whom the link is for. CodeNotFound: no account has the address.
func (s *Service) NewPasswordSetUp(ctx context.Context, email string) (token string, err error) {
	if err := s.keepsPasswords(); err != nil {
		return "", err
	}
	if email, err = normalEmail(email); err != nil {
		return "", err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		_, err := tx.UserByEmail(email)
		if errors.Is(err, store.ErrNotFound) {
			return refusef(api.CodeNotFound, "", "there is no account %s", shown(email))
		}
		if err != nil {
			return err
		}
		token, err = s.addInvitation(tx, &store.Invitation{Kind: string(SetUpPassword), Email: email, InvitedBy: operator().row()}, setUpLimit)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("open a set-up: %w", err)
	}
	return token, nil
}

func operator() Actor { return Actor{Type: api.ActorSystem, Name: "operator"} }

// keepsPasswords refuses what only a service with local accounts does.
func (s *Service) keepsPasswords() error {
	if s.passwords {
		return nil
	}
	return refusef(api.CodeForbidden, "sign in with the OpenID provider", "this service keeps no passwords")
}

// SetUp says what a set-up link is for. A link that is unknown, used, taken back or expired gets one and the same CodeNotFound.
func (s *Service) SetUp(ctx context.Context, token string) (SetUp, error) {
	var out SetUp
	err := s.view(ctx, func(tx store.Tx) error {
		inv, err := s.openInvitation(tx, token)
		if err != nil {
			return err
		}
		out = SetUp{Kind: SetUpKind(inv.Kind), Email: inv.Email, Role: api.Role(inv.Role), InvitedBy: inv.InvitedBy.Name, ExpiresAt: inv.ExpiresAt}
		if inv.OrgID != "" {
			org, err := tx.Org(inv.OrgID)
			if err != nil {
				return err
			}
			out.Org = orgOf(org)
		}
		_, out.HasAccount, err = account(tx, inv.Email)
		return err
	})
	if err != nil {
		return SetUp{}, fmt.Errorf("open a set-up link: %w", err)
	}
	return out, nil
}

// account returns the user with the address, if there is one. No address is nobody's: users that have none are many.
func account(tx store.Tx, email string) (store.User, bool, error) {
	if email == "" {
		return store.User{}, false, nil
	}
	user, err := tx.UserByEmail(email)
	if errors.Is(err, store.ErrNotFound) {
		return store.User{}, false, nil
	}
	return user, err == nil, err
}

const setUpPurpose = "set-up"

// addInvitation completes the invitation, writes it and returns the token of its link.
func (s *Service) addInvitation(tx store.Tx, inv *store.Invitation, life time.Duration) (token string, err error) {
	if inv.ID, err = newID(invitationPrefix); err != nil {
		return "", err
	}
	inv.CreatedAt = s.now()
	inv.ExpiresAt = inv.CreatedAt.Add(life)
	return s.writeInvitation(tx, *inv)
}

// writeInvitation gives the invitation a token, of which only the digest is kept.
func (s *Service) writeInvitation(tx store.Tx, inv store.Invitation) (token string, err error) {
	pepper, err := s.keys.peppers.toWrite(tx)
	if err != nil {
		return "", err
	}
	token = rand.Text()
	return token, tx.AddInvitation(store.NewInvitation{Invitation: inv, Digest: pepper.digest(setUpPurpose, token), PepperID: pepper.id})
}

// openInvitation returns the invitation that a link with the token stands for, if it may still be used.
func (s *Service) openInvitation(tx store.Tx, token string) (store.Invitation, error) {
	var inv store.Invitation
	err := s.keys.peppers.find(tx, func(p *pepper) (err error) {
		inv, err = tx.InvitationByDigest(p.digest(setUpPurpose, token))
		return err
	})
	if err == nil && !inv.ClosedAt.IsZero() {
		inv, err = s.successor(tx, inv)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && past(inv.ExpiresAt, s.now()) {
		return store.Invitation{}, noSetUp()
	}
	if err != nil || SetUpKind(inv.Kind) != SetUpFirst {
		return inv, err
	}
	taken, err := tx.AnyUser()
	if taken {
		return store.Invitation{}, noSetUp()
	}
	return inv, err
}

// A role that somebody was invited to is changed by an invitation that succeeds the one before, whose link goes on with it. Its id
// tells: the first's, a dot and a number.

const successorMark = "."

// succeed makes inv its successor in the role.
func (s *Service) succeed(tx store.Tx, inv *store.Invitation, role api.Role) error {
	first, number, _ := strings.Cut(inv.ID, successorMark)
	n, _ := strconv.Atoi(number) // 0 of the first
	inv.ID, inv.Role = first+successorMark+strconv.Itoa(n+1), string(role)
	_, err := s.writeInvitation(tx, *inv)
	return err
}

// successor returns the open one among the successors of an invitation that is closed; ErrNotFound: there is none.
func (s *Service) successor(tx store.Tx, closed store.Invitation) (store.Invitation, error) {
	first, _, _ := strings.Cut(closed.ID, successorMark)
	if SetUpKind(closed.Kind) == SetUpMember {
		open, err := s.invited(tx, closed.OrgID, closed.Email)
		if err != nil {
			return store.Invitation{}, err
		}
		for _, i := range open {
			if strings.HasPrefix(i.ID, first+successorMark) {
				return i, nil
			}
		}
	}
	return store.Invitation{}, store.ErrNotFound
}

func noSetUp() error {
	return refusef(api.CodeNotFound, "ask whoever gave it to you for a new one",
		"this link is not valid: a set-up link works once, for a limited time")
}

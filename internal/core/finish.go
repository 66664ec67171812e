package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// FinishSetUp uses a set-up link up and returns whom it is for; the caller signs them in. Of two at once one succeeds.
//
// SetUpFirst makes the org, its owner and their password. SetUpMember makes an account; with HasAccount it checks the password of
// the one that there is, as a sign-in does, since who holds the link need not hold the account. SetUpPassword sets a new password
// and ends all sessions and tokens of the account: who knew the old one is out.
//
// CodeNotFound: as of SetUp. CodeNameTaken: the org's slug. CodeUnauthenticated, CodeTooManyTries: as of SignInPassword.
func (s *Service) FinishSetUp(ctx context.Context, token string, a Account, from Origin) (User, error) {
	if err := s.keepsPasswords(); err != nil {
		return User{}, err
	}
	link, err := s.SetUp(ctx, token)
	if err != nil {
		return User{}, err
	}
	var finish func(store.Tx, store.Invitation) (store.User, error)
	switch {
	case link.Kind == SetUpFirst:
		finish, err = s.finishFirst(ctx, a)
	case link.Kind == SetUpMember && link.HasAccount:
		finish, err = s.finishJoin(ctx, link, a, from)
	case link.Kind == SetUpMember:
		finish, err = s.finishMember(ctx, link, a)
	case link.Kind == SetUpPassword:
		finish, err = s.finishPassword(ctx, link, a)
	default:
		err = fmt.Errorf("a set-up link of the kind %q", link.Kind)
	}
	if err != nil {
		return User{}, fmt.Errorf("finish a set-up: %w", err)
	}
	var user store.User
	err = s.update(ctx, func(tx store.Tx) error {
		inv, err := s.openInvitation(tx, token)
		if err != nil {
			return err
		}
		if user, err = finish(tx, inv); err != nil {
			return err
		}
		err = tx.CloseInvitation(inv.ID, s.now())
		if errors.Is(err, store.ErrNotFound) { // it was closed with all others to the address
			return nil
		}
		return err
	})
	if err != nil {
		return User{}, fmt.Errorf("finish a set-up: %w", err)
	}
	return userOf(user), nil
}

// The finish… methods check what was filled in and hash the password, which takes long, and return what is left to do in the
// transaction that uses the link up.

func (s *Service) finishFirst(ctx context.Context, a Account) (func(store.Tx, store.Invitation) (store.User, error), error) {
	if err := checkSlug(a.OrgSlug); err != nil {
		return nil, err
	}
	if a.OrgName == "" {
		a.OrgName = a.OrgSlug
	}
	orgName, err := normalName("the organisation's name", a.OrgName)
	if err != nil {
		return nil, err
	}
	email, err := normalEmail(a.Email)
	if err != nil {
		return nil, err
	}
	made, err := s.newAccount(ctx, email, a)
	if err != nil {
		return nil, err
	}
	return func(tx store.Tx, _ store.Invitation) (store.User, error) {
		user := made
		_, err := s.addOrg(tx, a.OrgSlug, orgName, &user, Actor{})
		return user, nameTaken(a.OrgSlug, err)
	}, nil
}

func (s *Service) finishMember(ctx context.Context, link SetUp, a Account) (func(store.Tx, store.Invitation) (store.User, error), error) {
	made, err := s.newAccount(ctx, link.Email, a)
	if err != nil {
		return nil, err
	}
	return func(tx store.Tx, inv store.Invitation) (store.User, error) {
		user := made
		switch err := s.addUser(tx, &user); {
		case errors.Is(err, store.ErrExists): // by another org's link, since this one was opened
			return user, refusef(api.CodePreconditionFailed, "open the link again, and enter the account's password",
				"%s has an account by now", shown(inv.Email))
		case err != nil:
			return user, err
		}
		return user, s.join(tx, inv.OrgID, user, inv.Email, inv.Role, "link")
	}, nil
}

func (s *Service) finishJoin(ctx context.Context, link SetUp, a Account, from Origin) (func(store.Tx, store.Invitation) (store.User, error), error) {
	user, err := s.checkPassword(ctx, link.Email, a.Password, from)
	if err != nil {
		return nil, err
	}
	return func(tx store.Tx, inv store.Invitation) (store.User, error) {
		return user, s.join(tx, inv.OrgID, user, inv.Email, inv.Role, "link")
	}, nil
}

func (s *Service) finishPassword(ctx context.Context, link SetUp, a Account) (func(store.Tx, store.Invitation) (store.User, error), error) {
	hash, err := s.newPassword(ctx, link.Email, a.Password)
	if err != nil {
		return nil, err
	}
	return func(tx store.Tx, inv store.Invitation) (store.User, error) {
		user, err := tx.UserByEmail(inv.Email)
		if err != nil {
			return user, err
		}
		user.Password = hash
		by := actorOfUser(user)
		if _, err := s.signOut(tx, by, user.ID, "new password", anySession); err != nil {
			return user, err
		}
		return user, errors.Join(
			tx.UpdateUser(user),
			tx.ForgetTries(accountLimit().kind, s.triesOf(inv.Email)), // made by who does not know the new one
			s.userEvent(tx, "account.password_set", by, user.ID, facts("link_made_by", inv.InvitedBy.Name, "link_made_at", inv.CreatedAt.Format(time.RFC3339))),
		)
	}, nil
}

// newAccount is a user with a name and a password, not yet written.
func (s *Service) newAccount(ctx context.Context, email string, a Account) (store.User, error) {
	name, err := normalName("the user's name", a.UserName)
	if err != nil {
		return store.User{}, err
	}
	hash, err := s.newPassword(ctx, email, a.Password)
	return store.User{Name: name, Email: email, Password: hash}, err
}

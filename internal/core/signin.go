package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// SignInPassword returns the user with the address, if the password is theirs; the caller starts the session. An unknown address,
// an account without a password and a wrong one get one and the same CodeUnauthenticated, at the same cost. CodeTooManyTries: five
// were wrong for the account, whether or not there is one, or 30 from the network, within 15 minutes.
func (s *Service) SignInPassword(ctx context.Context, email, password string, from Origin) (User, error) {
	user, err := s.checkPassword(ctx, email, password, from)
	if err != nil {
		return User{}, fmt.Errorf("sign in: %w", err)
	}
	return userOf(user), nil
}

func (s *Service) checkPassword(ctx context.Context, email, password string, from Origin) (store.User, error) {
	if err := s.keepsPasswords(); err != nil {
		return store.User{}, err
	}
	folded, err := normalEmail(email)
	if err != nil { // of no account, and that is what is told
		folded = ""
		email = brief(email)
	} else {
		email = folded
	}
	try := passwordTry{account: s.triesOf(email), address: brief(from.AddressPrefix)}
	var user store.User
	err = s.update(ctx, func(tx store.Tx) error {
		// It is counted before the password is looked at, or as many could be tried as can be at once.
		if err := try.charge(tx, s.now()); err != nil {
			return err
		}
		user, _, err = account(tx, folded)
		return err
	})
	if err != nil {
		return store.User{}, err
	}
	ok, err := s.hasher.matches(ctx, user.Password, password)
	if err != nil { // it was not looked at
		return store.User{}, errors.Join(err, s.update(ctx, func(tx store.Tx) error { return try.refund(tx, s.now()) }))
	}
	hash := user.Password
	err = s.update(ctx, func(tx store.Tx) error {
		if user, _, err = account(tx, folded); err != nil {
			return err
		}
		if ok = ok && user.Password == hash; ok { // it may have been set anew meanwhile
			return try.forgive(tx, s.now())
		}
		return s.noteRefusal(tx, user, try.account, facts("reason", "wrong password", "address", try.address, "agent", brief(from.Agent)))
	})
	if err == nil && !ok {
		err = refusef(api.CodeUnauthenticated, "check both; whoever runs the service can give you a link to set a new password",
			"the e-mail address or the password is wrong")
	}
	return user, err
}

// passwordTry is one try to sign in, by what it is counted for.
type passwordTry struct{ account, address string }

func (t passwordTry) charge(tx store.Tx, now time.Time) error {
	if err := accountLimit().charge(tx, t.account, now); err != nil {
		return err
	}
	return addressLimit().charge(tx, t.address, now)
}

func (t passwordTry) refund(tx store.Tx, now time.Time) error {
	return errors.Join(accountLimit().refund(tx, t.account, now), addressLimit().refund(tx, t.address, now))
}

// forgive is refund after the right password: the wrong ones before were its owner's too.
func (t passwordTry) forgive(tx store.Tx, now time.Time) error {
	return errors.Join(tx.ForgetTries(accountLimit().kind, t.account), addressLimit().refund(tx, t.address, now))
}

// noteRefusal records that a sign-in was refused, at most once an hour for each account. Where there is none it writes the same but
// for the event, so that the time it takes gives nothing away.
func (s *Service) noteRefusal(tx store.Tx, user store.User, account string, data map[string]string) error {
	once := limit{"refusal of account", 1, refuseEvery}
	if err := once.charge(tx, account, s.now()); err != nil {
		if isCode(err, api.CodeTooManyTries) {
			return nil
		}
		return err
	}
	if user.ID == "" {
		return nil
	}
	return s.userEvent(tx, "sign_in.refused", actorOfUser(user), user.ID, data)
}

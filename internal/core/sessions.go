package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	// IdleLimit is how long a session lives after its last use.
	IdleLimit = 30 * 24 * time.Hour

	touchEvery  = time.Minute
	refuseEvery = time.Hour
)

// StartSession signs a user in. Only the digest of the token is kept.
func (s *Service) StartSession(ctx context.Context, userID string) (secret.Secret, Session, error) {
	token := secret.New(secret.Session)
	row := store.NewSession{
		Session:  store.Session{UserID: userID, Hint: token.Hint(), CreatedAt: s.now()},
		Digest:   token.Digest(s.keys.Pepper[:]),
		PepperID: s.keys.pepperID,
	}
	var err error
	if row.ID, err = newID(sessionPrefix); err != nil {
		return secret.Secret{}, Session{}, err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		user, err := tx.User(userID)
		if errors.Is(err, store.ErrNotFound) {
			return refusef(api.CodeNotFound, "", "there is no user %s", shown(userID))
		}
		if err != nil {
			return err
		}
		if err := tx.AddSession(row); err != nil {
			return err
		}
		p := Principal{User: userOf(user), Session: sessionOf(row.Session)}
		return s.sessionEvent(tx, "session.created", p, nil)
	})
	if err != nil {
		return secret.Secret{}, Session{}, fmt.Errorf("start a session: %w", err)
	}
	return token, sessionOf(row.Session), nil
}

// Authenticate returns who a session token stands for. Whatever else is presented gets one and the same
// CodeUnauthenticated.
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	parsed, err := secret.Parse(secret.Session, token)
	if err != nil {
		return Principal{}, noSession()
	}
	var (
		row  store.Session
		user store.User
	)
	err = s.view(ctx, func(tx store.Tx) (err error) {
		row, user, err = tx.SessionByDigest(parsed.Digest(s.keys.Pepper[:]))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return Principal{}, noSession()
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up a session: %w", err)
	}
	now := s.now()
	if reason := over(row, now); reason != "" {
		s.refuse(ctx, row, user, reason, now)
		return Principal{}, noSession()
	}
	s.touch(ctx, &row, now)
	return Principal{User: userOf(user), Session: sessionOf(row)}, nil
}

// over says why a session opens nothing any more; empty: it does.
func over(row store.Session, now time.Time) string {
	switch {
	case !row.EndedAt.IsZero():
		return "ended"
	case past(lastSign(row).Add(IdleLimit), now):
		return "expired"
	}
	return ""
}

// refuse records that a session which is over was presented, at most once an hour for each, so that a program that does not
// give up can't fill the store.
func (s *Service) refuse(ctx context.Context, row store.Session, user store.User, reason string, now time.Time) {
	if !row.RefusedAt.IsZero() && now.Sub(row.RefusedAt) < refuseEvery {
		return
	}
	err := s.update(ctx, func(tx store.Tx) error {
		first, err := tx.RefuseSession(row.ID, now, now.Add(-refuseEvery))
		if err != nil || !first {
			return err
		}
		p := Principal{User: userOf(user), Session: sessionOf(row)}
		return s.sessionEvent(tx, "session.refused", p, map[string]string{"reason": reason})
	})
	if err != nil {
		s.log.WarnContext(ctx, "the refusal of a session could not be recorded", "session", row.ID, "error", err)
	}
}

// touch notes the use of a session, at most once a minute. That it can't be noted is no reason to refuse the session.
func (s *Service) touch(ctx context.Context, row *store.Session, now time.Time) {
	if !row.LastUsedAt.IsZero() && now.Sub(row.LastUsedAt) < touchEvery {
		return
	}
	err := s.update(ctx, func(tx store.Tx) error { return tx.TouchSession(row.ID, now, now.Add(-touchEvery)) })
	if err != nil {
		s.log.WarnContext(ctx, "the use of a session could not be written", "session", row.ID, "error", err)
		return
	}
	row.LastUsedAt = now
}

func noSession() error {
	return refusef(api.CodeUnauthenticated, "sign in: keyfob auth login",
		"no valid session token was presented: it is missing, malformed, unknown, ended or expired")
}

// EndSession signs the principal out: the token is refused from now on. Ending an ended session does nothing.
func (s *Service) EndSession(ctx context.Context, p Principal) error {
	err := s.update(ctx, func(tx store.Tx) error {
		err := tx.EndSession(p.Session.ID, s.now())
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.sessionEvent(tx, "session.ended", p, nil)
	})
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

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
	// IdleLimit is how long a session of the command line lives after its last use.
	IdleLimit = 30 * 24 * time.Hour
	// BrowserLimit is how long a browser's session lives, used or not.
	BrowserLimit = time.Hour

	touchEvery  = time.Minute
	refuseEvery = time.Hour
)

// StartSession signs a user in: with SessionCLI until it was idle for IdleLimit, with SessionBrowser for BrowserLimit. Only the
// digest of the token is kept.
func (s *Service) StartSession(ctx context.Context, userID string, kind api.SessionKind, c Client) (SignedIn, error) {
	if kind != api.SessionCLI && kind != api.SessionBrowser {
		return SignedIn{}, invalidf("a user is not signed in with a session of the kind %s", shown(string(kind)))
	}
	var out SignedIn
	err := s.update(ctx, func(tx store.Tx) error {
		user, err := tx.User(userID)
		if errors.Is(err, store.ErrNotFound) {
			return refusef(api.CodeNotFound, "", "there is no user %s", shown(userID))
		}
		if err != nil {
			return err
		}
		out, err = s.signIn(tx, user, kind, c)
		return err
	})
	if err != nil {
		return SignedIn{}, fmt.Errorf("start a session: %w", err)
	}
	return out, nil
}

func (s *Service) signIn(tx store.Tx, user store.User, kind api.SessionKind, c Client) (SignedIn, error) {
	row := store.Session{UserID: user.ID, Kind: string(kind), Name: cleaned(c.Name), Host: cleaned(c.Host)}
	if kind == api.SessionBrowser {
		row.ExpiresAt = s.now().Add(BrowserLimit)
	}
	return s.begin(tx, user, row)
}

// begin adds a session of a user's and records it.
func (s *Service) begin(tx store.Tx, user store.User, row store.Session) (SignedIn, error) {
	out, err := s.addSession(tx, row, store.Org{})
	if err != nil {
		return SignedIn{}, err
	}
	return out, s.sessionEvent(tx, "session.created", actorOfUser(user), out.Session, nil)
}

// addSession gives the row a token and writes it. org is that of a token.
func (s *Service) addSession(tx store.Tx, row store.Session, org store.Org) (out SignedIn, err error) {
	if row.ID, err = newID(sessionPrefix); err != nil {
		return SignedIn{}, err
	}
	token := secret.New(secret.Session)
	row.OrgID, row.Hint, row.CreatedAt = org.ID, token.Hint(), s.now()
	pepper, err := s.keys.peppers.toWrite(tx)
	if err != nil {
		return SignedIn{}, err
	}
	err = tx.AddSession(store.NewSession{Session: row, Digest: pepper.secrets.Digest(token), PepperID: pepper.id})
	return SignedIn{Token: token, Session: sessionOf(row, org)}, err
}

// Authenticate returns who a session's token stands for, whatever the session's kind. Whatever else is presented gets one and the
// same CodeUnauthenticated.
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	parsed, err := secret.Parse(secret.Session, token)
	if err != nil {
		return Principal{}, noSession()
	}
	var (
		row   store.Session
		user  store.User
		org   store.Org
		under *pepper
		job   Principal
	)
	err = s.view(ctx, func(tx store.Tx) error {
		return s.keys.peppers.find(tx, func(p *pepper) (err error) {
			under = p
			digest := p.secrets.Digest(parsed)
			if row, user, err = tx.SessionByDigest(digest); errors.Is(err, store.ErrNotFound) {
				job, err = s.jobByDigest(tx, digest)
			} else if err == nil && row.OrgID != "" {
				org, err = tx.Org(row.OrgID)
			}
			return err
		})
	})
	if errors.Is(err, store.ErrNotFound) {
		return Principal{}, noSession()
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up a session: %w", err)
	}
	if job.Session.ID != "" {
		return job, nil
	}
	now := s.now()
	if reason := over(row, now); reason != "" {
		s.refuse(ctx, sessionOf(row, org), user, row.RefusedAt, reason, now)
		return Principal{}, noSession()
	}
	s.touch(ctx, &row, parsed, under, now)
	return Principal{User: userOf(user), Session: sessionOf(row, org)}, nil
}

// over says why a session opens nothing any more; empty: it does.
func over(row store.Session, now time.Time) string {
	switch {
	case !row.EndedAt.IsZero():
		return "ended"
	case past(endOf(row), now):
		return "expired"
	}
	return ""
}

// refuse records that a session which is over was presented, at most once an hour for each, so that a program that does not
// give up can't fill the store.
func (s *Service) refuse(ctx context.Context, of Session, user store.User, last time.Time, reason string, now time.Time) {
	if !last.IsZero() && now.Sub(last) < refuseEvery {
		return
	}
	err := s.update(ctx, func(tx store.Tx) error {
		first, err := tx.RefuseSession(of.ID, now, now.Add(-refuseEvery))
		if err != nil || !first {
			return err
		}
		return s.sessionEvent(tx, "session.refused", actorOfUser(user), of, map[string]string{"reason": reason})
	})
	if err != nil {
		s.log.WarnContext(ctx, "the refusal of a session could not be recorded", "session", of.ID, "error", err)
	}
}

// touch notes the use of a session, at most once a minute, and gives it a digest under the newest pepper. That it can't be noted is no
// reason to refuse the session.
func (s *Service) touch(ctx context.Context, row *store.Session, token secret.Secret, under *pepper, now time.Time) {
	if !row.LastUsedAt.IsZero() && now.Sub(row.LastUsedAt) < touchEvery {
		return
	}
	err := s.update(ctx, func(tx store.Tx) error {
		if err := tx.TouchSession(row.ID, now, now.Add(-touchEvery)); err != nil {
			return err
		}
		newest, err := s.keys.peppers.toWrite(tx)
		if err != nil || newest == under {
			return err
		}
		err = tx.MoveSession(newest.id, store.Move{From: under.secrets.Digest(token), To: newest.secrets.Digest(token)})
		if errors.Is(err, store.ErrNotFound) { // another request did
			return nil
		}
		return err
	})
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

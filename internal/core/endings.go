package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Sessions returns the principal's sessions that have neither ended nor expired, oldest first, tokens among them. A token may not
// ask: CodeForbidden.
func (s *Service) Sessions(ctx context.Context, p Principal) ([]Session, error) {
	if err := p.notToken("list sessions"); err != nil {
		return nil, err
	}
	var all []ownSession
	err := s.view(ctx, func(tx store.Tx) (err error) {
		all, err = s.sessionsOf(tx, p.User.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	out := []Session{}
	for _, o := range all {
		if o.live {
			out = append(out, o.Session)
		}
	}
	return out, nil
}

// EndSession signs the principal out: the token is refused from now on. Ending an ended session does nothing.
func (s *Service) EndSession(ctx context.Context, p Principal) error {
	err := s.update(ctx, func(tx store.Tx) error {
		if p.isJob() {
			return tx.EndTrustSession(p.Session.ID)
		}
		return s.end(tx, p.Actor(), ownSession{p.Session, true}, "")
	})
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// EndSessionByID ends one of the principal's sessions, or revokes a token. CodeSessionNotFound: there is none such that lives.
func (s *Service) EndSessionByID(ctx context.Context, p Principal, id string) error {
	if err := p.notToken("end other sessions"); err != nil {
		return err
	}
	err := s.update(ctx, func(tx store.Tx) error {
		all, err := s.sessionsOf(tx, p.User.ID)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.ID == id && o.live {
				return s.end(tx, p.Actor(), o, "")
			}
		}
		return refusef(api.CodeSessionNotFound, "list them: keyfob auth status --all", "you have no session %s", shown(id))
	})
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// EndSessions signs the principal out everywhere and says how many sessions ended, the one that asks among them. Tokens go on;
// it says how many.
func (s *Service) EndSessions(ctx context.Context, p Principal) (ended, tokens int, err error) {
	if err := p.notToken("end other sessions"); err != nil {
		return 0, 0, err
	}
	err = s.update(ctx, func(tx store.Tx) (err error) {
		var all []ownSession
		ended, tokens = 0, 0
		if all, err = s.signOut(tx, p.Actor(), p.User.ID, "", isNoToken); err != nil {
			return err
		}
		for _, o := range all {
			switch {
			case !o.live:
			case isNoToken(o.Session):
				ended++
			default:
				tokens++
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("end all sessions: %w", err)
	}
	return ended, tokens, nil
}

func isNoToken(s Session) bool { return s.Kind != api.SessionToken }

func anySession(Session) bool { return true }

// ownSession is a session that was not ended; one that does not live has expired.
type ownSession struct {
	Session
	live bool
}

func (s *Service) sessionsOf(tx store.Tx, userID string) ([]ownSession, error) {
	rows, err := tx.Sessions(userID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	out := make([]ownSession, len(rows))
	for i, r := range rows {
		var org store.Org
		if r.OrgID != "" {
			if org, err = tx.Org(r.OrgID); err != nil {
				return nil, err
			}
		}
		out[i] = ownSession{sessionOf(r, org), over(r, now) == ""}
	}
	return out, nil
}

// signOut is endAll for who is to be signed in nowhere any more: a device that was approved and has not asked for its session yet
// won't get it.
func (s *Service) signOut(tx store.Tx, by Actor, userID, reason string, match func(Session) bool) ([]ownSession, error) {
	all, err := s.endAll(tx, by, userID, reason, match)
	if err != nil {
		return nil, err
	}
	return all, s.stopDevices(tx, userID)
}

// endAll ends the user's sessions that match, and returns all that there were. Expired ones end too: a replica whose clock is
// behind might still let them in.
func (s *Service) endAll(tx store.Tx, by Actor, userID, reason string, match func(Session) bool) ([]ownSession, error) {
	all, err := s.sessionsOf(tx, userID)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if match(o.Session) {
			if err := s.end(tx, by, o, reason); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// end ends a session and records it, if it lived; to end an ended one does nothing.
func (s *Service) end(tx store.Tx, by Actor, o ownSession, reason string) error {
	err := tx.EndSession(o.ID, s.now())
	if errors.Is(err, store.ErrNotFound) || err == nil && !o.live {
		return nil
	}
	if err != nil {
		return err
	}
	kind := "session.ended"
	if o.Kind == api.SessionToken {
		kind = "token.revoked"
	}
	return s.sessionEvent(tx, kind, by, o.Session, facts("reason", reason))
}

package core

import (
	"maps"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

func orgOf(o store.Org) Org { return Org{ID: o.ID, Slug: o.Slug, Name: o.Name} }

func userOf(u store.User) User { return User{ID: u.ID, Name: u.Name, Email: u.Email} }

// actorOfUser is the user as events record them.
func actorOfUser(u store.User) Actor { return Principal{User: userOf(u)}.Actor() }

// sessionOf is a session as its user sees it; org is that of a token.
func sessionOf(s store.Session, org store.Org) Session {
	out := Session{
		ID: s.ID, Kind: api.SessionKind(s.Kind), Name: s.Name, Host: s.Host, Hint: s.Hint, UserID: s.UserID, Org: orgOf(org),
		CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, ExpiresAt: endOf(s),
	}
	for _, p := range s.Permissions {
		out.Permissions = append(out.Permissions, api.Permission(p))
	}
	return out
}

// endOf is when the session ends by itself.
func endOf(s store.Session) time.Time {
	switch {
	case !s.ExpiresAt.IsZero():
		return s.ExpiresAt
	case s.LastUsedAt.IsZero() && !s.FirstUseBy.IsZero():
		return s.FirstUseBy
	}
	return lastSign(s).Add(IdleLimit)
}

// lastSign is when the session was last used, or made.
func lastSign(s store.Session) time.Time {
	if s.LastUsedAt.IsZero() {
		return s.CreatedAt
	}
	return s.LastUsedAt
}

func actorOf(a store.Actor) Actor { return Actor{Type: api.ActorType(a.Type), ID: a.ID, Name: a.Name} }

func (a Actor) row() store.Actor { return store.Actor{Type: string(a.Type), ID: a.ID, Name: a.Name} }

// key is k as the world may see it at now, with the use that is not written yet.
func (s *Service) key(k store.Key, now time.Time) Key {
	out := Key{
		ID: k.ID, OrgID: k.OrgID, Name: k.Name, Status: statusOf(k, now), CreatedAt: k.CreatedAt, CreatedBy: actorOf(k.CreatedBy),
		UpdatedAt: k.UpdatedAt, ExpiresAt: k.ExpiresAt, LastUsedAt: k.LastUsedAt, Tags: maps.Clone(k.Tags), Revision: k.Revision,
		RateLimit: wireRate(k.Rate),
		Secrets:   make([]SecretVersion, len(k.Secrets)),
	}
	for i, v := range k.Secrets {
		used := v.LastUsedAt
		s.usage.last(k.ID, v.Version, &used, &out.LastUsedAt)
		out.Secrets[i] = SecretVersion{
			Version: v.Version, Hint: v.Hint, State: api.SecretState(v.State),
			CreatedAt: v.CreatedAt, ExpiresAt: v.ExpiresAt, LastUsedAt: used,
		}
		out.Recoverable = out.Recoverable || v.Sealed && v.State == store.StateCurrent
	}
	return out
}

func statusOf(k store.Key, now time.Time) api.KeyStatus {
	switch {
	case k.Disabled:
		return api.StatusDisabled
	case past(k.ExpiresAt, now):
		return api.StatusExpired
	}
	return api.StatusEnabled
}

// past says whether an expiry has come; the zero time never does.
func past(expires, now time.Time) bool { return !expires.IsZero() && !now.Before(expires) }

func eventOf(e store.Event) Event {
	return Event{ID: e.ID, At: e.At, Type: e.Type, OrgID: e.OrgID, KeyID: e.KeyID, Actor: actorOf(e.Actor), Data: e.Data}
}

package core

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// eventTypes lists every type of event.
func eventTypes() []string {
	return []string{
		"key.created", "key.renamed", "key.updated", "key.disabled", "key.enabled", "key.deleted", "key.revealed",
		"key.rotation.opened", "key.rotation.joined", "key.rotation.delivered", "key.rotation.proven", "key.rotation.promoted", "key.rotation.armed",
		"key.rotation.extended", "key.rotation.retired", "key.rotation.cancelled", "key.rotation.needs_attention",
		"session.created", "session.ended", "session.refused", "token.created", "token.revoked",
		"member.invited", "member.joined", "member.role_changed", "member.removed", "invitation.withdrawn",
		"account.password_set", "account.identity_bound", "sign_in.refused", "device.approved", "device.denied", "org.created",
		"trust.created", "trust.deleted", "trust.used", "trust.refused", "revocation.replayed",
	}
}

// Events returns a page of the org's events, newest first; with After, oldest first from the event after that one on.
func (s *Service) Events(ctx context.Context, p Principal, org string, in ListEvents) (EventPage, error) {
	f, err := eventFilterOf(in)
	if err != nil {
		return EventPage{}, err
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	var (
		rows []store.Event
		mark fingerprint
	)
	err = s.view(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.EventsRead)
		if err != nil {
			return err
		}
		mark = eventMark(o.ID, in)
		page := f
		if in.Token != "" {
			var ok bool
			if page.After, ok = afterEvent(in.Token, mark); !ok {
				return badToken()
			}
		}
		if page.KeyID, err = eventKey(tx, p, o.ID, in.Key); err != nil {
			return err
		}
		rows, err = tx.Events(o.ID, page)
		return err
	})
	if err != nil {
		return EventPage{}, fmt.Errorf("list events: %w", err)
	}
	var page EventPage
	if len(rows) > limit {
		rows = rows[:limit]
		page.NextToken = base64.RawURLEncoding.EncodeToString(append(mark.token(), rows[limit-1].ID...))
	}
	page.Events = make([]Event, len(rows))
	for i, r := range rows {
		page.Events[i] = eventOf(r)
	}
	return page, nil
}

func eventFilterOf(in ListEvents) (store.EventFilter, error) {
	f := store.EventFilter{Since: micro(in.Since), After: in.After, Ascending: in.After != ""}
	var err error
	if f.Limit, err = limitOf(in.Limit); err != nil {
		return f, err
	}
	if in.After != "" && !isID(eventPrefix, in.After) {
		return f, invalidf("%s is not the id of an event", shown(in.After))
	}
	if err := setType(&f, in.Type); err != nil {
		return f, err
	}
	return f, setActor(&f, in.Actor)
}

// setType takes a type or what stands before the first dot of some.
func setType(f *store.EventFilter, kind string) error {
	all := eventTypes()
	switch {
	case kind == "":
	case slices.Contains(all, kind):
		f.Type = kind
	case slices.ContainsFunc(all, func(t string) bool { return strings.HasPrefix(t, kind+".") }) && !strings.Contains(kind, "."):
		f.Subject = kind
	default:
		return refusef(api.CodeInvalidRequest, "take one of "+strings.Join(all, ", ")+", or what stands before the first dot",
			"there are no events of the type %s", shown(kind))
	}
	return nil
}

// setActor takes an id or a name.
func setActor(f *store.EventFilter, actor string) error {
	switch {
	case actor == "":
	case looksLikeSecret(actor):
		return invalidf("an actor is named by name or id here, not by a secret")
	case len(actor) > refMaxBytes || !utf8.ValidString(actor):
		return invalidf("%s is not the name or id of an actor", shown(actor))
	case isID(userPrefix, actor) || isID(keyPrefix, actor) || isID(trustPrefix, actor):
		f.ActorID = actor
	default:
		f.ActorName = norm.NFC.String(actor)
	}
	return nil
}

// eventKey returns the id of the key that ref names; an id may also be a deleted key's, which its events still know.
func eventKey(tx store.Tx, p Principal, orgID, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	row, err := findKey(tx, p, orgID, ref)
	if err == nil || !isID(keyPrefix, ref) {
		return row.ID, err
	}
	known, err2 := tx.Events(orgID, store.EventFilter{KeyID: ref, Limit: 1})
	if err2 != nil || len(known) > 0 {
		return ref, err2
	}
	return "", err
}

func eventMark(orgID string, in ListEvents) fingerprint {
	return markOf("events", orgID, in.After, in.Key, in.Actor, in.Type, in.Since.UTC().Format(time.RFC3339Nano))
}

func afterEvent(token string, mark fingerprint) (string, bool) {
	b, ok := mark.open(token)
	return string(b), ok && isID(eventPrefix, string(b))
}

// sessionEvent writes what happened to a session: to a token in its org, to any other once for each org that its user is in, so
// that each can read it.
func (s *Service) sessionEvent(tx store.Tx, kind string, by Actor, of Session, more map[string]string) error {
	data := facts("session", of.ID, "hint", of.Hint, "kind", string(of.Kind), "host", of.Host)
	maps.Copy(data, more)
	if of.Kind == api.SessionToken {
		data["name"] = of.Name
		return s.addEvent(tx, Event{Type: kind, OrgID: of.Org.ID, Actor: by, Data: data})
	}
	maps.Copy(data, facts("client", of.Name))
	return s.userEvent(tx, kind, by, of.UserID, data)
}

// userEvent writes what happened to a user once for each of their orgs.
func (s *Service) userEvent(tx store.Tx, kind string, by Actor, userID string, data map[string]string) error {
	in, err := tx.MembershipsOf(userID)
	if err != nil {
		return err
	}
	if len(in) == 0 {
		in = []store.OrgMembership{{}} // of no org
	}
	for _, m := range in {
		if err := s.addEvent(tx, Event{Type: kind, OrgID: m.Org.ID, Actor: by, Data: data}); err != nil {
			return err
		}
	}
	return nil
}

// facts makes the data of an event of names and values, without those that are empty.
func facts(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out[pairs[i]] = pairs[i+1]
		}
	}
	return out
}

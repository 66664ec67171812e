package core

import (
	"context"
	"errors"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// tellRefusal counts a refusal and records it for the orgs that it concerns: those whose rules name the project, else the one that
// was named. Where there is none it goes to the log alone.
func (s *Service) tellRefusal(ctx context.Context, in Exchange, from string, no *untaken) error {
	s.log.InfoContext(ctx, "a token of a job was refused", "reason", no.reason, "org", shown(in.Org))
	return s.update(ctx, func(tx store.Tx) error {
		if err := exchangeLimit().charge(tx, from, s.now()); err != nil && !isCode(err, api.CodeTooManyTries) {
			return err
		}
		orgs := map[string]bool{}
		for _, r := range no.rules {
			orgs[r.OrgID] = true
		}
		if len(orgs) != 1 && in.Org != "" {
			o, err := orgByRef(tx, in.Org)
			if err == nil {
				orgs = map[string]bool{o.ID: true}
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		const most = 8 // of orgs that trust one public issuer there may be thousands
		if len(orgs) > most {
			return nil
		}
		for id := range orgs {
			if err := s.refusedEvent(tx, id, in, no); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) refusedEvent(tx store.Tx, orgID string, in Exchange, no *untaken) error {
	err := refusedLimit().charge(tx, orgID, s.now())
	if isCode(err, api.CodeTooManyTries) {
		return nil
	}
	if err != nil {
		return err
	}
	data := facts("reason", no.reason, "address", brief(in.Address), "issuer", no.told["issuer"], "subject", no.told["subject"])
	if len(no.rules) == 1 {
		data["rule"] = no.rules[0].ID
	}
	return s.addEvent(tx, Event{Type: "trust.refused", OrgID: orgID, Actor: Actor{Type: api.ActorSystem, Name: "trust"}, Data: data})
}

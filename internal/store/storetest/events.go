package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

func (f *fixture) eventPage(org string, q store.EventFilter) (events []store.Event) {
	f.Helper()
	f.view(func(tx store.Tx) (err error) {
		events, err = tx.Events(org, q)
		return err
	})
	return events
}

func testEvents(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	k, other := f.key(acme.ID, "ci"), f.key(acme.ID, "cd")
	actor := store.Actor{Type: "user", ID: "usr_1", Name: "Ada"}
	event := func(id, key string) store.Event {
		return store.Event{ID: id, At: at(1), Type: "key.created", OrgID: acme.ID, KeyID: key, Actor: actor, Data: map[string]string{"to": "a\nb"}}
	}
	first, second, third := event("evt_1", k.ID), event("evt_3", k.ID), event("evt_5", k.ID)
	third.Data = nil
	for _, e := range []store.Event{
		first, third, second, event("evt_2", other.ID), {ID: "evt_4", At: at(1), Type: "session.created", Actor: actor},
	} {
		f.update(func(tx store.Tx) error { return tx.AddEvent(e) })
	}
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddEvent(first) })
	f.equal("newest first", f.eventPage(acme.ID, store.EventFilter{KeyID: k.ID, Limit: 10}), []store.Event{third, second, first})
	f.equal("two", f.eventPage(acme.ID, store.EventFilter{KeyID: k.ID, Limit: 2}), []store.Event{third, second})
	f.equal("of another org", f.eventPage(beta.ID, store.EventFilter{KeyID: k.ID, Limit: 10}), []store.Event{})
}

func testEventFilters(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	k := f.key(acme.ID, "ci")
	ada, bo := store.Actor{Type: "user", ID: "usr_1", Name: "Ada"}, store.Actor{Type: "user", ID: "usr_2", Name: "Bo"}
	for i, e := range []store.Event{
		{Type: "key.created", KeyID: k.ID, Actor: ada},                         // 0
		{Type: "key.disabled", KeyID: k.ID, Actor: bo},                         // 1
		{Type: "session.created", Actor: ada},                                  // 2
		{Type: "keyring.opened", Actor: bo},                                    // 3
		{Type: "key.disabled", KeyID: k.ID, Actor: ada},                        // 4
		{Type: "org.created", Actor: store.Actor{Type: "system", Name: "Ada"}}, // 5
	} {
		e.ID, e.OrgID, e.At = fmt.Sprintf("evt_%d", i), acme.ID, at(10*i)
		foreign := e
		foreign.ID, foreign.OrgID, foreign.KeyID = e.ID+"b", beta.ID, ""
		f.update(func(tx store.Tx) error {
			if err := tx.AddEvent(e); err != nil {
				return err
			}
			return tx.AddEvent(foreign)
		})
	}
	// A clock that was set back: a later id, an earlier time.
	f.update(func(tx store.Tx) error {
		return tx.AddEvent(store.Event{ID: "evt_6", OrgID: acme.ID, At: at(35), Type: "key.enabled", KeyID: k.ID, Actor: ada})
	})
	for _, tt := range []struct {
		filter store.EventFilter
		want   []string
	}{
		{store.EventFilter{}, []string{"0", "1", "2", "3", "4", "5", "6"}},
		{store.EventFilter{KeyID: k.ID}, []string{"0", "1", "4", "6"}},
		{store.EventFilter{KeyID: "key_9"}, nil},
		{store.EventFilter{ActorID: ada.ID}, []string{"0", "2", "4", "6"}},
		{store.EventFilter{ActorName: "Ada"}, []string{"0", "2", "4", "5", "6"}},
		{store.EventFilter{ActorName: "ada"}, nil},
		{store.EventFilter{Type: "key.disabled"}, []string{"1", "4"}},
		{store.EventFilter{Type: "key"}, nil},
		{store.EventFilter{Subject: "key"}, []string{"0", "1", "4", "6"}},
		{store.EventFilter{Since: at(30)}, []string{"3", "4", "5", "6"}},
		{store.EventFilter{Since: at(36)}, []string{"4", "5"}},
		{store.EventFilter{Since: at(51)}, nil},
		{store.EventFilter{Since: at(0).Add(-100 * time.Hour)}, []string{"0", "1", "2", "3", "4", "5", "6"}},
		{store.EventFilter{Since: at(10), KeyID: k.ID, ActorID: ada.ID, Type: "key.disabled"}, []string{"4"}},
		{store.EventFilter{Subject: "key", ActorName: "Bo"}, []string{"1"}},
	} {
		for _, limit := range []int{1, 2, 100} {
			for _, ascending := range []bool{false, true} {
				q := tt.filter
				q.Limit, q.Ascending = limit, ascending
				var got []string
				for {
					page := f.eventPage(acme.ID, q)
					if len(page) == 0 {
						break
					}
					for _, e := range page {
						got = append(got, e.ID[len("evt_"):])
					}
					q.After = page[len(page)-1].ID
				}
				if !ascending {
					slices.Reverse(got)
				}
				f.equal("events", got, tt.want)
			}
		}
	}
}

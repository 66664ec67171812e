package core_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// orgEvents reads all pages of events, two each.
func (f *fixture) orgEvents(in core.ListEvents) (events []core.Event) {
	f.Helper()
	in.Limit = 2
	for {
		page, err := f.svc.Events(f.Context(), f.owner, "acme", in)
		f.must(err)
		events = append(events, page.Events...)
		if page.NextToken == "" {
			return events
		}
		in.Token = page.NextToken
	}
}

func types(events []core.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.Type
	}
	return out
}

func TestEventsOfAnOrg(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, _ := f.create(core.NewKey{Name: "ci"})
	f.clock.move(time.Hour)
	other, _ := f.create(core.NewKey{Name: "Ada"})
	since := f.clock.now()
	_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "leaked in a log")
	f.must(err)
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{}))

	all := f.orgEvents(core.ListEvents{})
	f.equal("newest first", types(all), []string{"key.deleted", "key.disabled", "key.created", "key.created", "session.created", "org.created"})
	f.equal("the reason", all[1].Data, map[string]string{"reason": "leaked in a log"})
	f.equal("the sign-in", all[4], core.Event{
		ID: all[4].ID, At: all[4].At, Type: "session.created", OrgID: f.org.ID, Actor: f.owner.Actor(),
		Data: map[string]string{
			"session": f.owner.Session.ID, "hint": f.owner.Session.Hint, "kind": "cli", "client": "keyfob", "host": "laptop",
		},
	})
	oldest := slices.Clone(all)
	slices.Reverse(oldest)
	for name, tt := range map[string]struct {
		in   core.ListEvents
		want []core.Event
	}{
		"a deleted key by id": {core.ListEvents{Key: k.ID}, []core.Event{all[0], all[1], all[3]}},
		"a key by name":       {core.ListEvents{Key: "ADA"}, []core.Event{all[2]}},
		"a key by id":         {core.ListEvents{Key: other.ID}, []core.Event{all[2]}},
		"an actor by id":      {core.ListEvents{Actor: f.owner.User.ID}, all[:5]},
		"an actor by name":    {core.ListEvents{Actor: "Ada"}, all[:5]},
		"the system":          {core.ListEvents{Actor: "bootstrap"}, all[5:]},
		"no one":              {core.ListEvents{Actor: "Bo"}, nil},
		"a type":              {core.ListEvents{Type: "key.created"}, all[2:4]},
		"a kind of types":     {core.ListEvents{Type: "key"}, all[:4]},
		"since":               {core.ListEvents{Since: since}, all[:3]},
		"since, of a key":     {core.ListEvents{Since: since, Key: k.ID}, all[:2]},
		"after the first":     {core.ListEvents{After: oldest[0].ID}, oldest[1:]},
		"after, of a type":    {core.ListEvents{After: oldest[2].ID, Type: "key"}, oldest[3:]},
		"after the last":      {core.ListEvents{After: oldest[5].ID}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := *f
			g.TB = t
			g.equal("events", g.orgEvents(tt.in), tt.want)
		})
	}
}

func TestEventsThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	page, err := f.svc.Events(t.Context(), f.owner, "acme", core.ListEvents{Limit: 1})
	f.must(err)
	token := page.NextToken
	keys, err := f.svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{Limit: 1})
	f.must(err)
	f.equal("one key", keys.NextToken, "")
	for name, tt := range map[string]struct {
		in   core.ListEvents
		text string
		code api.Code
	}{
		"limit":              {core.ListEvents{Limit: 1001}, "the limit 1001", api.CodeInvalidRequest},
		"negative limit":     {core.ListEvents{Limit: -1}, "the limit -1", api.CodeInvalidRequest},
		"unknown type":       {core.ListEvents{Type: "key.delete"}, `no events of the type "key.delete"`, api.CodeInvalidRequest},
		"half a type":        {core.ListEvents{Type: "key."}, `no events of the type "key."`, api.CodeInvalidRequest},
		"pattern":            {core.ListEvents{Type: "k%"}, `no events of the type "k%"`, api.CodeInvalidRequest},
		"after no id":        {core.ListEvents{After: "yesterday"}, `"yesterday" is not the id of an event`, api.CodeInvalidRequest},
		"after a key":        {core.ListEvents{After: "key_" + strings.Repeat("0", 26)}, "is not the id of an event", api.CodeInvalidRequest},
		"after a secret":     {core.ListEvents{After: sec.Reveal()}, "(a secret) is not the id", api.CodeInvalidRequest},
		"unknown key":        {core.ListEvents{Key: "none"}, `no key "none"`, api.CodeKeyNotFound},
		"unknown key's id":   {core.ListEvents{Key: "key_" + strings.Repeat("0", 26)}, "no key", api.CodeKeyNotFound},
		"key by secret":      {core.ListEvents{Key: sec.Reveal()}, "not by its secret", api.CodeInvalidRequest},
		"actor by secret":    {core.ListEvents{Actor: f.token.Reveal()}, "not by a secret", api.CodeInvalidRequest},
		"broken actor":       {core.ListEvents{Actor: "a\xff"}, "is not the name or id of an actor", api.CodeInvalidRequest},
		"endless actor":      {core.ListEvents{Actor: strings.Repeat("a", 1<<20)}, "is not the name or id of an actor", api.CodeInvalidRequest},
		"junk token":         {core.ListEvents{Token: "x"}, "the page token is not one", api.CodeInvalidRequest},
		"token, other type":  {core.ListEvents{Token: token, Type: "key"}, "the page token is not one", api.CodeInvalidRequest},
		"token, other since": {core.ListEvents{Token: token, Since: f.clock.now()}, "the page token is not one", api.CodeInvalidRequest},
		"token, other order": {core.ListEvents{Token: token, After: page.Events[0].ID}, "the page token is not one", api.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.svc.Events(t.Context(), f.owner, "acme", tt.in)
			wantRefusal(t, err, tt.code, tt.text)
			if len(err.Error()) > 300 {
				t.Errorf("error %q", err.Error())
			}
		})
	}
}

// TestSignInsAreEventsOfEveryOrg: who signs in does so everywhere at once.
func TestSignInsAreEventsOfEveryOrg(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, bo, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"})
	f.must(err)
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.AddUser(store.User{ID: "usr_alone", Name: "Cy", CreatedAt: f.clock.now()}); err != nil {
			return err
		}
		return tx.AddMembership(store.Membership{OrgID: f.org.ID, UserID: bo.ID, Role: string(api.RoleViewer), CreatedAt: f.clock.now()})
	}))
	token, p := f.signIn(bo)
	f.must(f.svc.EndSession(t.Context(), p))
	refused := func() {
		f.Helper()
		_, err := f.svc.Authenticate(t.Context(), token.Reveal())
		f.refused(err, api.CodeUnauthenticated, "")
	}
	for range 3 {
		refused()
	}
	_, err = f.svc.Authenticate(t.Context(), secret.New(secret.Session).Reveal()) // an unknown token writes nothing
	f.refused(err, api.CodeUnauthenticated, "")
	bos := f.orgEvents(core.ListEvents{Actor: bo.ID})
	f.equal("once an hour", types(bos), []string{"session.refused", "session.ended", "session.created"})
	f.equal("what", bos[0].Data, map[string]string{
		"reason": "ended", "session": p.Session.ID, "hint": p.Session.Hint, "kind": "cli", "client": "keyfob", "host": "laptop",
	})
	f.clock.move(time.Hour)
	refused()
	refused()
	f.equal("an hour later", len(f.orgEvents(core.ListEvents{Actor: "Bo", Type: "session.refused"})), 2)

	_, boAgain := f.signIn(bo)
	page, err := f.svc.Events(t.Context(), boAgain, "beta", core.ListEvents{Type: "session"})
	f.must(err)
	f.equal("in the other org", types(page.Events), []string{"session.created", "session.refused", "session.refused", "session.ended", "session.created"})
	f.signIn(core.User{ID: "usr_alone"}) // of no org: it can sign in all the same

	f.clock.move(core.IdleLimit)
	_, err = f.svc.Authenticate(t.Context(), f.token.Reveal())
	f.refused(err, api.CodeUnauthenticated, "")
	expired := f.orgEvents(core.ListEvents{Type: "session.refused"})[0]
	f.equal("expired", expired.Data["reason"], "expired")
}

func TestReasons(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	for text, reason := range map[string]string{
		"the reason holds a secret":       "found " + sec.Reveal() + " in a log",
		"has 257 characters: at most 256": strings.Repeat("é", 257),
		"is too long":                     strings.Repeat("a", 1<<16),
		"(U+001B)":                        "a\x1b[2J",
		"(U+000A)":                        "a\nb",
		"(U+202E)":                        "a\u202eb",
		"is not valid UTF-8":              "a\xff",
		"begins or ends with a space":     " ",
		"begins with a mark":              "\u0301",
		"holds a character that is not":   "a\U000E0041",
	} {
		_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, reason)
		f.refused(err, api.CodeInvalidRequest, text)
	}
	f.equal("untouched", f.get("ci"), k)
	for _, reason := range []string{"=cmd|' /C calc'!A0 <script> $(id) %PATH%", "another"} { // the second changes nothing
		_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, reason)
		f.must(err)
	}
	_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", true, strings.Repeat("é", 256))
	f.must(err)
	events := f.orgEvents(core.ListEvents{Key: "ci"})
	f.equal("events", types(events), []string{"key.enabled", "key.disabled", "key.created"})
	f.equal("reason", events[1].Data["reason"], "=cmd|' /C calc'!A0 <script> $(id) %PATH%")
}

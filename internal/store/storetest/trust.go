package storetest

import (
	"crypto/sha256"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

func (f *fixture) newRule(org, id, name, issuer string) store.TrustRule {
	f.Helper()
	return store.TrustRule{
		ID: id, OrgID: org, Name: name, FoldedName: name, Provider: "github", Issuer: issuer,
		Conditions: map[string]string{"repository": "a\"b/é", "environment": "prod"}, Pins: map[string]string{},
		Permissions: []string{"keys:read", "keys:rotate"}, KeyNames: []string{"ci-*"},
		CreatedBy: store.Actor{Type: "user", ID: "usr_1", Name: "Ada"}, CreatedAt: at(1),
	}
}

func (f *fixture) rules(orgID, issuer string) (ids []string) {
	f.Helper()
	f.view(func(tx store.Tx) error {
		read := func() ([]store.TrustRule, error) { return tx.TrustRules(orgID) }
		if issuer != "" {
			read = func() ([]store.TrustRule, error) { return tx.TrustRulesOf(issuer) }
		}
		all, err := read()
		for _, r := range all {
			ids = append(ids, r.ID)
		}
		return err
	})
	return ids
}

func testTrustRules(_ *testing.T, f *fixture) {
	const issuer, other = "https://a.example", "https://b.example"
	acme, globex := f.org("acme").ID, f.org("globex").ID
	r := f.newRule(acme, "tru_1", "app", issuer)
	for _, add := range []store.TrustRule{
		r, f.newRule(acme, "tru_2", "web", other), f.newRule(globex, "tru_3", "app", issuer),
	} {
		f.update(func(tx store.Tx) error { return tx.AddTrustRule(add) })
	}
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddTrustRule(f.newRule(acme, "tru_4", "app", other)) })
	f.equal("of acme", f.rules(acme, ""), []string{"tru_1", "tru_2"})
	f.equal("of the issuer", f.rules("", issuer), []string{"tru_1", "tru_3"})
	f.equal("of another", f.rules("", issuer+"/"), []string(nil))

	// Of a rule pins and last use change, and nothing else.
	r.Pins, r.LastUsedAt = map[string]string{"repository_id": "1"}, at(9)
	written := r
	written.Name, written.KeyNames, written.Permissions = "x", []string{"*"}, []string{"keys:write"}
	f.update(func(tx store.Tx) error { return tx.UseTrustRule(written) })
	f.view(func(tx store.Tx) error {
		byID, err := tx.TrustRule(acme, r.ID)
		f.equal("by id", byID, r)
		byName, err2 := tx.TrustRuleByName(acme, "app")
		f.equal("by name", byName, r)
		f.equal("errors", []error{err, err2}, make([]error, 2))
		return nil
	})
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.TrustRule(globex, r.ID); return err })
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.TrustRuleByName(globex, "web"); return err })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.UseTrustRule(store.TrustRule{ID: "tru_9"}) })
	f.update(func(tx store.Tx) error { return tx.DeleteTrustRule(r.ID) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.DeleteTrustRule(r.ID) })
	f.equal("what is left", f.rules("", issuer), []string{"tru_3"})
}

func testTrustSessions(_ *testing.T, f *fixture) {
	acme := f.org("acme").ID
	r := f.newRule(acme, "tru_1", "app", "https://a.example")
	f.update(func(tx store.Tx) error { return tx.AddTrustRule(r) })
	add := func(id string) store.NewTrustSession {
		return store.NewTrustSession{
			TrustSession: store.TrustSession{ID: id, RuleID: r.ID, Name: "acme/app 1", Hint: "kfs_…abcd", CreatedAt: at(1), ExpiresAt: at(901)},
			Digest:       sha256.Sum256([]byte(id)), PepperID: "p1",
		}
	}
	find := func(id string) (s store.TrustSession, of store.TrustRule, err error) {
		f.view(func(tx store.Tx) error {
			s, of, err = tx.TrustSessionByDigest(sha256.Sum256([]byte(id)))
			return nil
		})
		return s, of, err
	}
	for _, id := range []string{"ses_1", "ses_2", "ses_3"} {
		f.update(func(tx store.Tx) error { return tx.AddTrustSession(add(id)) })
	}
	s, of, err := find("ses_1")
	f.equal("session", []any{s, of, err}, []any{add("ses_1").TrustSession, r, error(nil)})
	f.updateErr(store.ErrExists, func(tx store.Tx) error {
		twice := add("ses_9")
		twice.Digest = add("ses_1").Digest
		return tx.AddTrustSession(twice)
	})
	gone := func(id string) {
		f.Helper()
		f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, _, err := tx.TrustSessionByDigest(sha256.Sum256([]byte(id))); return err })
	}
	for range 2 {
		f.update(func(tx store.Tx) error { return tx.EndTrustSession("ses_1") })
	}
	gone("ses_1")

	token := sha256.Sum256([]byte("jti"))
	f.update(func(tx store.Tx) error { return tx.SpendTrustToken(token, at(100)) })
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.SpendTrustToken(token, at(200)) })
	prune := func(now int) {
		f.Helper()
		f.update(func(tx store.Tx) error { _, err := tx.Prune(store.Age{Answers: at(now)}, 10); return err })
	}
	prune(99)
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.SpendTrustToken(token, at(200)) })
	prune(100)
	f.update(func(tx store.Tx) error { return tx.SpendTrustToken(token, at(9999)) })
	if _, _, err := find("ses_2"); err != nil {
		f.Fatal(err)
	}
	prune(901)
	gone("ses_2")

	f.update(func(tx store.Tx) error { return tx.AddTrustSession(add("ses_4")) })
	f.update(func(tx store.Tx) error { return tx.DeleteTrustRule(r.ID) })
	gone("ses_4")
}

func testKeyNames(_ *testing.T, f *fixture) {
	acme := f.org("acme").ID
	names := []string{"ci-deploy", "ci-test", "ci", "web_1", "webx1", "a%b", `a\b`, "é"}
	for _, name := range names {
		f.key(acme, name)
	}
	for pattern, want := range map[string][]string{
		"ci-*":   {"ci-deploy", "ci-test"},
		"*-*t*":  {"ci-test"},
		"ci":     {"ci"},
		"*":      names,
		"web_1":  {"web_1"},
		"a%*":    {"a%b"},
		`a\*`:    {`a\b`},
		"é":      {"é"},
		"nobody": nil,
		"i-*":    nil,
	} {
		var got []string
		for _, k := range f.list(acme, store.KeyFilter{Limit: 100, Names: []string{pattern}}) {
			got = append(got, k.Name)
		}
		f.equal(pattern, got, want)
	}
	f.equal("either", len(f.list(acme, store.KeyFilter{Limit: 100, Names: []string{"ci", "é"}})), 2)
	f.equal("none", len(f.list(acme, store.KeyFilter{Limit: 100, Names: []string{}})), 0)
}

package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// few is more than a statement looks at that is about one thing, or a page of ten.
const few = 200

func TestPlans(t *testing.T) {
	t.Parallel()
	p := newPlanned(t)
	for what, fn := range hotCalls() {
		p.check(what, few, fn)
	}
	for sort, name := range map[store.KeySort]string{store.ByID: "id", store.ByName: "name", store.ByLastUse: "last use", store.ByExpiry: "expiry"} {
		for _, descending := range []bool{false, true} {
			for _, after := range []store.KeyPosition{{}, {ID: "key_010001", FoldedName: "k10001", At: time.UnixMicro(1_000_100)}} {
				f := store.KeyFilter{Sort: sort, Descending: descending, After: after, Limit: 10, Now: time.UnixMicro(5_000_000)}
				what := fmt.Sprintf("keys by %s, down %t, after %q", name, descending, after.ID)
				p.check(what, few, func(tx store.Tx) error { _, err := tx.Keys("org_1", f); return err })
			}
		}
	}
	for name, f := range map[string]store.EventFilter{
		"all": {}, "of a key": {KeyID: "key_000001"}, "of an actor": {ActorID: "usr_1"}, "of a name": {ActorName: "U1"},
		"of a type": {Type: "key.created"}, "of a subject": {Subject: "org"}, "since": {Since: time.UnixMicro(19_900_000_000_000)},
		"since long ago": {Since: time.UnixMicro(1_000_000)}, "oldest first since": {Since: time.UnixMicro(19_900_000_000_000), Ascending: true},
	} {
		f.Limit = 10
		p.check("events "+name, few, func(tx store.Tx) error { _, err := tx.Events("org_1", f); return err })
	}
}

// hotCalls are what requests, checks and the service's own rounds ask for.
func hotCalls() map[string]func(store.Tx) error {
	digest := func(s string) [32]byte { return sha256.Sum256([]byte(s)) }
	none := func(err error) error {
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}
	return map[string]func(store.Tx) error{
		"key by digest":     func(tx store.Tx) error { _, err := tx.KeyByDigest(digest("key_000007")); return err },
		"retired by digest": func(tx store.Tx) error { _, _, err := tx.RetiredByDigest(digest("rkey_000008")); return err },
		"key":               func(tx store.Tx) error { _, err := tx.Key("org_3", "key_000007"); return err },
		"key by name":       func(tx store.Tx) error { _, err := tx.KeyByName("org_3", "k7"); return err },
		"active key":        func(tx store.Tx) error { _, err := tx.ActiveKey("org_3", time.UnixMicro(1)); return err },
		"digests of a key":  func(tx store.Tx) error { _, err := tx.KeyDigests("key_000008"); return err },
		"digests":           func(tx store.Tx) error { _, err := tx.Digests(false, digest("x"), 10); return err },
		"retired digests":   func(tx store.Tx) error { _, err := tx.Digests(true, digest("x"), 10); return err },
		"sealed secret":     func(tx store.Tx) error { _, err := tx.SealedSecret("key_000007", 1); return err },
		"last version":      func(tx store.Tx) error { _, err := tx.LastVersion("key_000008"); return err },
		"retire":            func(tx store.Tx) error { return tx.RetireSecret("key_000007", 1, time.UnixMicro(1)) },
		"delete a key": func(tx store.Tx) error {
			return tx.DeleteKey(store.Key{ID: "key_000008", Revision: 1}, time.UnixMicro(1))
		},
		"changes":           func(tx store.Tx) error { _, err := tx.ChangesSince(19_980, 10); return err },
		"counts of changes": func(tx store.Tx) error { _, err := tx.KeyChanges(); return err },
		"session by digest": func(tx store.Tx) error { _, _, err := tx.SessionByDigest(digest("s7")); return err },
		"sessions":          func(tx store.Tx) error { _, err := tx.Sessions("usr_7"); return err },
		"touch a session":   func(tx store.Tx) error { return tx.TouchSession("ses_7", time.UnixMicro(9), time.UnixMicro(8)) },
		"user by address":   func(tx store.Tx) error { _, err := tx.UserByEmail("7@example.com"); return err },
		"user by identity":  func(tx store.Tx) error { _, err := tx.UserByIdentity("https://id.example", "7"); return err },
		"org by slug":       func(tx store.Tx) error { _, err := tx.OrgBySlug("org-7"); return err },
		"membership":        func(tx store.Tx) error { _, err := tx.Membership("org_7", "usr_7"); return err },
		"members":           func(tx store.Tx) error { _, err := tx.Members("org_7"); return err },
		"memberships":       func(tx store.Tx) error { _, err := tx.MembershipsOf("usr_7"); return err },
		"first member":      func(tx store.Tx) error { _, err := tx.FirstMember("org_7", "member"); return err },
		"invitation":        func(tx store.Tx) error { _, err := tx.InvitationByDigest(digest("i7")); return err },
		"invitations":       func(tx store.Tx) error { _, err := tx.Invitations("org_7", "", time.UnixMicro(1)); return err },
		"invitations to":    func(tx store.Tx) error { _, err := tx.Invitations("", "7@example.com", time.UnixMicro(1)); return err },
		"grant by digest":   func(tx store.Tx) error { _, err := tx.DeviceGrantByDigest(digest("d7")); return err },
		"grant by code":     func(tx store.Tx) error { _, err := tx.DeviceGrantByUserCode("CODE7"); return err },
		"grants of one":     func(tx store.Tx) error { _, err := tx.CountDeviceGrants("192.0.2.7", time.UnixMicro(1)); return err },
		"grants that live":  func(tx store.Tx) error { _, err := tx.CountDeviceGrants("", time.UnixMicro(5_000)); return err },
		"tries":             func(tx store.Tx) error { _, err := tx.Tries("password", "7@example.com"); return err },
		"put tries":         func(tx store.Tx) error { return tx.PutTries(store.Tries{Kind: "password", Subject: "7@example.com"}) },
		"answer":            func(tx store.Tx) error { _, err := tx.Answer(digest("akey_000008"), time.UnixMicro(1)); return err },
		"open rotation":     func(tx store.Tx) error { _, err := tx.OpenRotation("key_000007"); return none(err) },
		"rotations":         func(tx store.Tx) error { _, err := tx.Rotations("key_000008", 10); return err },
		"rotation of a run": func(tx store.Tx) error { _, err := tx.RotationOfRun("key_000008", digest("x")); return none(err) },
		"due rotations":     func(tx store.Tx) error { _, err := tx.DueRotations(time.UnixMicro(500), 10); return err },
		"trust rules":       func(tx store.Tx) error { _, err := tx.TrustRules("org_7"); return err },
		"trust rules of":    func(tx store.Tx) error { _, err := tx.TrustRulesOf("https://id7.example"); return err },
		"trust session":     func(tx store.Tx) error { _, _, err := tx.TrustSessionByDigest(digest("t7")); return err },
		"spend a token":     func(tx store.Tx) error { return tx.SpendTrustToken(digest("new"), time.UnixMicro(1)) },
		"last uses":         func(tx store.Tx) error { _, err := tx.LastUses("org_1", "key_010000", 10); return err },
		"journal of use":    func(tx store.Tx) error { _, err := tx.UseJournal("own_1", 4_900, 10); return err },
		"append use":        func(tx store.Tx) error { _, err := tx.AppendUse("own_1", []byte("x")); return err },
		"folded use":        func(tx store.Tx) error { return tx.FoldedUse("own_1", "", "key~", 20) },
		"calls by hour":     func(tx store.Tx) error { _, err := tx.KeyHours("key_000007", 0); return err },
		"what is old":       func(tx store.Tx) error { _, err := tx.Prune(oldAge(), 10); return err },
		"calls and callers": func(tx store.Tx) error {
			_, err := tx.KeyUse("key_000007", store.UseWindow{Hour: 20, Day: 10})
			return err
		},
		"uses": func(tx store.Tx) error {
			return tx.RecordUses([]store.KeyUse{{
				KeyID: "key_000007", Secrets: []store.SecretUse{{Version: 1, At: time.UnixMicro(9)}},
				Minutes: []store.MinuteUse{{Minute: 99, Calls: 1}}, Callers: []store.CallerUse{{AddressPrefix: "192.0.2.0/24", At: time.UnixMicro(9)}},
			}})
		},
	}
}

// oldAge leaves a little of each kind to be thrown away.
func oldAge() store.Age {
	old := time.UnixMicro(150)
	return store.Age{Minute: 150, Hour: 150 * 24, Callers: old, Answers: old, Grants: old, Tries: old, Ended: old, Idle: old}
}

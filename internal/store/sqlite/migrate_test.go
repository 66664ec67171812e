package sqlite

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/store"
)

// openOld makes a database as the first n migrations leave it, adds rows and opens it.
func openOld(t *testing.T, n int, rows string) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	var script strings.Builder
	script.WriteString(`PRAGMA journal_mode = WAL;
		CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT;`)
	for i, m := range allMigrations()[:n] {
		fmt.Fprintf(&script, `%s; INSERT INTO schema_migrations (version, name, applied_at) VALUES (%d, '%s', 0);`, m.Text, i+1, m.Name)
	}
	execute(t, path, script.String()+rows)
	return open(t, path)
}

// TestKeysOfTheFirstSchemaAreFound opens a database of schema 1 and lists its keys by what schema 2 keeps of them.
func TestKeysOfTheFirstSchemaAreFound(t *testing.T) {
	t.Parallel()
	s := openOld(t, 1, `
		INSERT INTO orgs VALUES ('org_1', 'acme', 'Acme', 1, x'00', 'm', 0);
		INSERT INTO keys SELECT 'key_' || value, 'org_1', value, value, 0,
			iif(value = 'b', '{}', '{"team":"a\"b","x":""}'), 1, 'user', 'usr_1', 'Ada', 1, iif(value = 'a', 5, NULL), iif(value = 'd', 9, NULL), 1
			FROM json_each('["a","b","c","d"]');
		INSERT INTO secrets SELECT id, 1, 'current', 'kf_', randomblob(32), 'p', NULL, 1, NULL, iif(id = 'key_b', NULL, 1000000 + unicode(name)), NULL, NULL FROM keys;
		INSERT INTO events VALUES ('evt_1', 1, 'key.created', 'org_1', 'key_a', 'user', 'usr_1', 'Ada', '{}');`)
	for _, tt := range []struct {
		f    store.KeyFilter
		want []string
	}{
		{store.KeyFilter{Tags: []string{`team=a"b`, "x="}}, []string{"a", "c"}},
		{store.KeyFilter{NeverUsed: true}, []string{"b"}},
		{store.KeyFilter{Sort: store.ByLastUse, Descending: true}, []string{"c", "a", "b"}},
		{store.KeyFilter{Sort: store.ByExpiry}, []string{"a", "b", "c"}},
	} {
		tt.f.Limit = 10
		var got []string
		err := s.View(t.Context(), func(tx store.Tx) error {
			keys, err := tx.Keys("org_1", tt.f)
			for _, k := range keys {
				got = append(got, k.Name)
			}
			return err
		})
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, %v, want %q", tt.f, got, err, tt.want)
		}
	}
	err := s.View(t.Context(), func(tx store.Tx) error {
		k, err := tx.Key("org_1", "key_a")
		if want := time.UnixMicro(1_000_097).UTC(); !k.LastUsedAt.Equal(want) {
			t.Errorf("last use %v, want %v", k.LastUsedAt, want)
		}
		events, err2 := tx.Events("org_1", store.EventFilter{Subject: "key", Limit: 10})
		if len(events) != 1 || err2 != nil {
			t.Errorf("events %v, %v", events, err2)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPeopleOfTheSecondSchemaStay opens a database of schema 2, which knew the sessions of the command line alone.
func TestPeopleOfTheSecondSchemaStay(t *testing.T) {
	t.Parallel()
	live, ended := sha256.Sum256([]byte("live")), sha256.Sum256([]byte("ended"))
	s := openOld(t, 2, fmt.Sprintf(`
		INSERT INTO orgs VALUES ('org_1', 'acme', 'Acme', 1, x'00', 'm', 0);
		INSERT INTO users VALUES ('usr_1', 'Ada', 1), ('usr_2', 'Bo', 2);
		INSERT INTO memberships VALUES ('org_1', 'usr_2', 'owner', 4), ('org_1', 'usr_1', 'owner', 5);
		INSERT INTO sessions VALUES ('ses_1', 'usr_1', x'%x', 'p', 'kfs_1', 6, 7, NULL, 8), ('ses_2', 'usr_1', x'%x', 'p', 'kfs_2', 6, NULL, 9, NULL);`,
		live, ended))
	us := func(n int64) time.Time { return time.UnixMicro(n).UTC() }
	ada, bo := store.User{ID: "usr_1", Name: "Ada", CreatedAt: us(1)}, store.User{ID: "usr_2", Name: "Bo", CreatedAt: us(2)}
	first := store.Session{ID: "ses_1", UserID: "usr_1", Kind: "cli", Hint: "kfs_1", CreatedAt: us(6), LastUsedAt: us(7), RefusedAt: us(8)}
	second := store.Session{ID: "ses_2", UserID: "usr_1", Kind: "cli", Hint: "kfs_2", CreatedAt: us(6), EndedAt: us(9)}
	equal := func(what string, err error, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	err := s.View(t.Context(), func(tx store.Tx) error {
		for digest, want := range map[[32]byte]store.Session{live: first, ended: second} {
			got, user, err := tx.SessionByDigest(digest)
			equal("session", err, got, want)
			equal("its user", err, user, ada)
		}
		sessions, err := tx.Sessions("usr_1")
		equal("sessions", err, sessions, []store.Session{first})
		members, err := tx.Members("org_1")
		equal("members", err, members, []store.Member{
			{Membership: store.Membership{OrgID: "org_1", UserID: "usr_2", Role: "owner", CreatedAt: us(4)}, User: bo},
			{Membership: store.Membership{OrgID: "org_1", UserID: "usr_1", Role: "owner", CreatedAt: us(5)}, User: ada},
		})
		return nil
	})
	equal("view", err, nil, nil)
	ada.Email, ada.Password = "ada@example.com", "$argon2id$"
	err = s.Update(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Prune(store.Age{Ended: us(10)}, 10); err != nil {
			return err
		}
		return tx.UpdateUser(ada)
	})
	equal("update", err, nil, nil)
	err = s.View(t.Context(), func(tx store.Tx) error {
		_, user, err := tx.SessionByDigest(live)
		equal("user with an address", err, user, ada)
		_, _, err = tx.SessionByDigest(ended)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session that ended is kept: %v", err)
		}
		return nil
	})
	equal("view", err, nil, nil)
}

// TestCallsOfTheNinthSchemaAreKept opens a database that counted calls by the minute alone.
func TestCallsOfTheNinthSchemaAreKept(t *testing.T) {
	t.Parallel()
	s := openOld(t, 9, `
		INSERT INTO orgs VALUES ('org_1', 'acme', 'Acme', 1, x'00', 'm', 0);
		INSERT INTO keys (id, org_id, name, folded_name, tags, created_at, created_by_type, created_by_id, created_by_name, updated_at, revision)
			VALUES ('key_1', 'org_1', 'a', 'a', '{}', 1, 'user', 'usr_1', 'Ada', 1, 1);
		INSERT INTO key_minutes VALUES ('key_1', 1439, 1), ('key_1', 1440, 2), ('key_1', 1499, 3), ('key_1', 2879, 4);`)
	err := s.View(t.Context(), func(tx store.Tx) error {
		got, err := tx.KeyHours("key_1", 0)
		if diff := cmp.Diff([]store.HourUse{{Hour: 23, Calls: 1}, {Hour: 24, Calls: 5}, {Hour: 47, Calls: 4}}, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

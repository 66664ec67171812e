package sqlite

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// TestKeysOfTheFirstSchemaAreFound opens a database of schema 1 and lists its keys by what schema 2 keeps of them.
func TestKeysOfTheFirstSchemaAreFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	first, err := migrations.ReadFile("migrations/" + migrationNames()[0])
	if err != nil {
		t.Fatal(err)
	}
	execute(t, path, `PRAGMA journal_mode = WAL;
		CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT;`+string(first)+`;
		INSERT INTO schema_migrations VALUES (1, '0001_start.sql', 0);
		INSERT INTO orgs VALUES ('org_1', 'acme', 'Acme', 1, x'00', 'm', 0);
		INSERT INTO keys SELECT 'key_' || value, 'org_1', value, value, 0,
			iif(value = 'b', '{}', '{"team":"a\"b","x":""}'), 1, 'user', 'usr_1', 'Ada', 1, iif(value = 'a', 5, NULL), iif(value = 'd', 9, NULL), 1
			FROM json_each('["a","b","c","d"]');
		INSERT INTO secrets SELECT id, 1, 'current', 'kf_', randomblob(32), 'p', NULL, 1, NULL, iif(id = 'key_b', NULL, 1000000 + unicode(name)), NULL, NULL FROM keys;
		INSERT INTO events VALUES ('evt_1', 1, 'key.created', 'org_1', 'key_a', 'user', 'usr_1', 'Ada', '{}');`)
	s := open(t, path)
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
	err = s.View(t.Context(), func(tx store.Tx) error {
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

package core

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	manyKeys = 1_000_000
	perPage  = 100
)

// manyKeysSQL makes key n of manyKeys: one of 100 is disabled, one of 10 expires, one of 2 was used, one of 1000 has a rare tag.
const manyKeysSQL = `
CREATE TEMP TABLE n AS WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < $1 - 1) SELECT n FROM c;
INSERT INTO keys (id, org_id, name, folded_name, disabled, tags, created_at, created_by_type, created_by_id, created_by_name,
		updated_at, expires_at, revision, used_at)
	SELECT 'key_' || printf('%026d', n), $2, 'key ' || n, 'key ' || n, n % 100 = 0, '{"env":"prod"}', 1e15 + n, 'user', 'usr_1', 'Ada',
		1e15 + n, iif(n % 10 = 0, 4e15 + n, NULL), 1, iif(n % 2 = 0, 1e15 + n * 7919 % $1, 0) FROM n;
INSERT INTO secrets (key_id, version, state, hint, digest, pepper_id, created_at)
	SELECT 'key_' || printf('%026d', n), 1, 'current', 'kf_…abcd', randomblob(32), 'p', 1e15 + n FROM n;
INSERT INTO key_tags (key_id, pair, org_id)
	SELECT 'key_' || printf('%026d', n), iif(n % 1000 = 0, 'env=rare', 'env=prod'), $2 FROM n;`

// BenchmarkListPage1M reads pages of 100 among 1 000 000 keys.
func BenchmarkListPage1M(b *testing.B) {
	if testing.Short() {
		b.Skip("it makes a large database")
	}
	path := filepath.Join(b.TempDir(), "keyfob.db")
	st, err := sqlite.Open(b.Context(), path)
	fatal(b, err)
	b.Cleanup(func() { fatal(b, st.Close()) })
	s, err := New(Config{Store: st, Material: Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}}})
	fatal(b, err)
	b.Cleanup(func() { _ = s.Close(b.Context()) })
	org, user, err := s.Bootstrap(b.Context(), Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
	fatal(b, err)
	fill(b, path, org.ID)
	p := Principal{User: user}

	for _, list := range []struct {
		name string
		in   ListKeys
	}{
		{"created", ListKeys{}},
		{"-created", ListKeys{Sort: "-created"}},
		{"name", ListKeys{Sort: api.SortName}},
		{"last_used", ListKeys{Sort: api.SortLastUsed}},
		{"-last_used", ListKeys{Sort: "-last_used"}},
		{"expires", ListKeys{Sort: api.SortExpires}},
		{"enabled", ListKeys{Status: api.StatusEnabled}},
		{"disabled", ListKeys{Status: api.StatusDisabled}},
		{"never used", ListKeys{NeverUsed: true}},
		{"rare tag", ListKeys{Tags: []string{"env=rare"}}},
	} {
		list.in.Limit = perPage
		for _, page := range []int{1, 9000} {
			if list.in.Token = ""; page > 1 {
				list.in.Token = tokenOf(b, s, org.ID, list.in, (page-1)*perPage)
			}
			b.Run(fmt.Sprintf("%s/page=%d", list.name, page), func(b *testing.B) {
				for b.Loop() {
					_, err := s.Keys(b.Context(), p, "acme", list.in)
					fatal(b, err)
				}
			})
		}
	}
}

// tokenOf is the token of the page that begins after skip keys, or the last key of a shorter list.
func tokenOf(b *testing.B, s *Service, orgID string, in ListKeys, skip int) string {
	b.Helper()
	f, err := filterOf(in)
	fatal(b, err)
	f.Now = time.Now()
	q := f
	var last store.Key
	fatal(b, s.view(b.Context(), func(tx store.Tx) error {
		for at := 0; at < skip; at += q.Limit {
			q.Limit = min(10_000, skip-at)
			page, err := tx.Keys(orgID, q)
			if err != nil || len(page) == 0 {
				return err
			}
			last = page[len(page)-1]
			q.After = last.Position(f.Sort)
		}
		return nil
	}))
	return keyToken(keyMark(orgID, f), last.Position(f.Sort), f.Sort)
}

func fill(b *testing.B, path, orgID string) {
	b.Helper()
	db, err := sql.Open("sqlite", path)
	fatal(b, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(b.Context(), `PRAGMA synchronous = OFF; PRAGMA cache_size = -500000`)
	fatal(b, err)
	_, err = db.ExecContext(b.Context(), manyKeysSQL, manyKeys, orgID)
	fatal(b, err)
	fatal(b, db.Close())
}

func fatal(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

// planner asks SQLite how it would run a statement, and fails the test if that would sort or read a whole table. It runs none: to
// whoever asks there are no rows.
type planner struct {
	*testing.T

	store *Store
	asked int
}

func (p *planner) Run(what, query string, args ...any) (int64, error) {
	if !strings.HasPrefix(query, "INSERT") { // it reads nothing
		p.explain(what, query, args)
	}
	return 1, nil
}

func (p *planner) RunUnique(what, query string, args ...any) (int64, error) {
	return p.Run(what, query, args...)
}

func (p *planner) Rows(what, query string, args []any, _ func(statements.Row) error) error {
	p.explain(what, query, args)
	return nil
}

func (*planner) Dialect() statements.Dialect { return (*tx)(nil).Dialect() }

func (p *planner) explain(what, query string, args []any) {
	p.Helper()
	p.asked++
	rows, err := p.store.reader.QueryContext(p.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		p.Fatalf("%s: %v\n%s", what, err, query)
	}
	defer rows.Close()
	steps := 0
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			p.Fatal(err)
		}
		steps++
		if strings.HasPrefix(detail, "SCAN") && !strings.HasPrefix(detail, "SCAN json_each ") || strings.Contains(detail, "TEMP B-TREE") {
			p.Errorf("%s: %s\n%s", what, detail, query)
		}
	}
	if err := rows.Err(); err != nil || steps == 0 {
		p.Fatalf("%s: %d steps, %v", what, steps, err)
	}
}

// plan fails the test for each statement of fn that sorts or scans, and if there is none at all.
func plan(t *testing.T, s *Store, what string, fn func(*statements.Tx) error) {
	t.Helper()
	p := &planner{T: t, store: s}
	tx := statements.On(p)
	if err := fn(&tx); err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s: %v", what, err)
	}
	if p.asked == 0 {
		t.Errorf("%s: nothing was read", what)
	}
}

func TestListsNeitherSortNorScan(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	after := store.KeyPosition{ID: "key_1", FoldedName: "a", At: time.Unix(1e9, 0)}
	for i, f := range []store.KeyFilter{
		{},
		{Status: store.Enabled},
		{Status: store.Disabled},
		{Status: store.Expired},
		{NeverUsed: true},
		{UnusedSince: time.Unix(1e9, 0)},
		{ExpiresBefore: time.Unix(1e9, 0)},
		{Tags: []string{"a=b"}},
		{Names: []string{"ci-*", "x"}},
		{Tags: []string{"a=b", "c=d"}, Status: store.Disabled, NeverUsed: true},
	} {
		for _, sort := range []store.KeySort{store.ByID, store.ByName, store.ByLastUse, store.ByExpiry} {
			f.Sort, f.Limit, f.Now = sort, 10, time.Unix(1e9, 0)
			for _, f.Descending = range []bool{false, true} {
				for _, f.After = range []store.KeyPosition{{}, after} {
					plan(t, s, fmt.Sprint("keys ", i), func(tx *statements.Tx) error {
						_, err := tx.Keys("org_1", f)
						return err
					})
				}
			}
		}
	}
	for i, f := range []store.EventFilter{
		{}, {KeyID: "k"}, {ActorID: "a"}, {ActorName: "a"}, {Type: "t"}, {Subject: "s"}, {KeyID: "k", Subject: "s", ActorID: "a"},
	} {
		for _, f.Ascending = range []bool{false, true} {
			for _, f.After = range []string{"", "evt_1"} {
				for _, f.Since = range []time.Time{{}, time.Unix(1e9, 0)} {
					plan(t, s, fmt.Sprint("events ", i), func(tx *statements.Tx) error {
						_, err := tx.Events("org_1", f)
						return err
					})
				}
			}
		}
	}
}

func TestPeopleNeitherSortNorScan(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	now := time.Unix(1e9, 0)
	for what, fn := range map[string]func(*statements.Tx) error{
		"user":               func(tx *statements.Tx) error { _, err := tx.User("usr_1"); return err },
		"user by e-mail":     func(tx *statements.Tx) error { _, err := tx.UserByEmail("ada@example.com"); return err },
		"user by identity":   func(tx *statements.Tx) error { _, err := tx.UserByIdentity("https://id.example/", "1"); return err },
		"members":            func(tx *statements.Tx) error { _, err := tx.Members("org_1"); return err },
		"first member":       func(tx *statements.Tx) error { _, err := tx.FirstMember("org_1", "owner"); return err },
		"session":            func(tx *statements.Tx) error { _, _, err := tx.SessionByDigest([32]byte{1}); return err },
		"sessions":           func(tx *statements.Tx) error { _, err := tx.Sessions("usr_1"); return err },
		"invitation":         func(tx *statements.Tx) error { _, err := tx.InvitationByDigest([32]byte{1}); return err },
		"earlier invitation": func(tx *statements.Tx) error { return tx.AddInvitation(store.NewInvitation{}) },
		"grant":              func(tx *statements.Tx) error { _, err := tx.DeviceGrantByDigest([32]byte{1}); return err },
		"grant by code":      func(tx *statements.Tx) error { _, err := tx.DeviceGrantByUserCode("BCDFGHJK"); return err },
		"grants":             func(tx *statements.Tx) error { _, err := tx.CountDeviceGrants("", now); return err },
		"grants of one":      func(tx *statements.Tx) error { _, err := tx.CountDeviceGrants("192.0.2.1", now); return err },
	} {
		plan(t, s, what, fn)
	}
	for _, org := range []string{"", "org_1"} {
		for _, email := range []string{"", "ada@example.com"} {
			plan(t, s, "invitations", func(tx *statements.Tx) error {
				_, err := tx.Invitations(org, email, now)
				return err
			})
		}
	}
}

func TestKeysAndJobsNeitherSortNorScan(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	for what, fn := range map[string]func(*statements.Tx) error{
		"rotation":        func(tx *statements.Tx) error { _, err := tx.Rotation("key_1", "rot_1"); return err },
		"open rotation":   func(tx *statements.Tx) error { _, err := tx.OpenRotation("key_1"); return err },
		"rotation of run": func(tx *statements.Tx) error { _, err := tx.RotationOfRun("key_1", [32]byte{1}); return err },
		"rotations":       func(tx *statements.Tx) error { _, err := tx.Rotations("key_1", 10); return err },
		"due rotations":   func(tx *statements.Tx) error { _, err := tx.DueRotations(time.Unix(1e9, 0), 10); return err },
		"key by digest":   func(tx *statements.Tx) error { _, err := tx.KeyByDigest([32]byte{1}); return err },
		"retired":         func(tx *statements.Tx) error { _, _, err := tx.RetiredByDigest([32]byte{1}); return err },
		"digests of key":  func(tx *statements.Tx) error { _, err := tx.KeyDigests("key_1"); return err },
		"digests":         func(tx *statements.Tx) error { _, err := tx.Digests(false, [32]byte{1}, 10); return err },
		"retired digests": func(tx *statements.Tx) error { _, err := tx.Digests(true, [32]byte{1}, 10); return err },
		"last version":    func(tx *statements.Tx) error { _, err := tx.LastVersion("key_1"); return err },
		"last uses":       func(tx *statements.Tx) error { _, err := tx.LastUses("org_1", "key_1", 10); return err },
		"rule":            func(tx *statements.Tx) error { _, err := tx.TrustRule("org_1", "tru_1"); return err },
		"rule by name":    func(tx *statements.Tx) error { _, err := tx.TrustRuleByName("org_1", "x"); return err },
		"rules of org":    func(tx *statements.Tx) error { _, err := tx.TrustRules("org_1"); return err },
		"rules of issuer": func(tx *statements.Tx) error { _, err := tx.TrustRulesOf("https://id.example"); return err },
		"session of job":  func(tx *statements.Tx) error { _, _, err := tx.TrustSessionByDigest([32]byte{1}); return err },
		"what is old":     func(tx *statements.Tx) error { _, err := tx.Prune(store.Age{}, 10); return err },
		"sealed under others": func(tx *statements.Tx) error {
			_, err := tx.SealedUnderOthers("p2", store.KeyPlace{KeyID: "key_1", Version: 1}, 10)
			return err
		},
		"moved session": func(tx *statements.Tx) error {
			return tx.MoveSession("p2", store.Move{From: [32]byte{1}, To: [32]byte{2}})
		},
	} {
		plan(t, s, what, fn)
	}
}

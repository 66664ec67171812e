package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// planner asks SQLite how it would run a statement, and fails the test if that would sort or read a whole table.
func planner(t *testing.T) func(what, query string, args []any) {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	return func(what, query string, args []any) {
		t.Helper()
		rows, err := s.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, query)
		}
		defer rows.Close()
		steps := 0
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			steps++
			if strings.HasPrefix(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s: %s\n%s", what, detail, query)
			}
		}
		if err := rows.Err(); err != nil || steps == 0 {
			t.Fatalf("%s: %d steps, %v", what, steps, err)
		}
	}
}

func TestListsNeitherSortNorScan(t *testing.T) {
	t.Parallel()
	check := planner(t)
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
					query, args := keysQuery("org_1", f)
					check(fmt.Sprint("keys ", i), query, args)
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
					query, args := eventsQuery("org_1", f)
					check(fmt.Sprint("events ", i), query, args)
				}
			}
		}
	}
}

func TestPeopleNeitherSortNorScan(t *testing.T) {
	t.Parallel()
	check := planner(t)
	for i, q := range []struct {
		query string
		args  []any
	}{
		{userByID, []any{"usr_1"}},
		{userByEmail, []any{"ada@example.com"}},
		{userByIdentity, []any{"https://id.example/", "1"}},
		{membersOf, []any{"org_1"}},
		{firstMember, []any{"org_1", "owner"}},
		{sessionByDigest, []any{[]byte{1}}},
		{sessionsOf, []any{"usr_1"}},
		{invitationByDigest, []any{[]byte{1}}},
		{closeEarlier, []any{"ada@example.com", "member", nil, "inv_1", 1}},
		{grantByDigest, []any{[]byte{1}}},
		{grantByUserCode, []any{"BCDFGHJK"}},
		{countGrants, []any{1}},
		{countGrantsOf, []any{1, "192.0.2.1"}},
	} {
		check(fmt.Sprint("query ", i), q.query, q.args)
	}
	for _, org := range []string{"", "org_1"} {
		for _, email := range []string{"", "ada@example.com"} {
			query, args := invitationsQuery(org, email, time.Unix(1e9, 0))
			check("invitations", query, args)
		}
	}
	for i, q := range []struct {
		query string
		args  []any
	}{
		{rotationByID, []any{"key_1", "rot_1"}},
		{openRotation, []any{"key_1"}},
		{rotationOfRun, []any{"key_1", []byte{1}}},
		{rotationsOf, []any{"key_1", 10}},
		{dueRotations, []any{1, 10}},
		{retiredByDigest, []any{[]byte{1}}},
		{keyDigests, []any{"key_1"}},
		{digestsAfter, []any{[]byte{1}, 10}},
		{retiredDigestsAfter, []any{[]byte{1}, 10}},
		{lastVersion, []any{"key_1"}},
		{lastRetiredVersion, []any{"key_1"}},
		{ruleByID, []any{"org_1", "tru_1"}},
		{ruleByName, []any{"org_1", "x"}},
		{rulesOfOrg, []any{"org_1"}},
		{rulesOf, []any{"https://id.example"}},
		{trustSession, []any{[]byte{1}}},
	} {
		check(fmt.Sprint("rotations ", i), q.query, q.args)
	}
	for _, p := range pruneSteps(store.Age{}) {
		check("what is old", p.query, []any{p.until, 10})
	}
}

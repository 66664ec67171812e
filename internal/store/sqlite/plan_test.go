package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// TestListsNeitherSortNorScan asks SQLite how it would read every list.
func TestListsNeitherSortNorScan(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	check := func(what, query string, args []any) {
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

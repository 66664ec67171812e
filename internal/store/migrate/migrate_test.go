package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// filled is the file of a store with an org and n keys.
func filled(tb testing.TB, n int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keyfob.db")
	s, err := sqlite.Open(tb.Context(), path)
	must(tb, err)
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	must(tb, s.Update(tb.Context(), func(tx store.Tx) error {
		if err := tx.AddOrg(store.Org{ID: "org_1", Slug: "acme", Name: "Ácme", DataKey: []byte{0, 1, 255}, CreatedAt: at}); err != nil {
			return err
		}
		for i := range n {
			k := store.Key{ID: fmt.Sprintf("key_%09d", i), OrgID: "org_1", Name: fmt.Sprint("k", i), FoldedName: fmt.Sprint("k", i), CreatedAt: at, UpdatedAt: at, Revision: 1}
			k.Tags = map[string]string{"team": "a"}
			sec := store.NewSecret{KeyID: k.ID, Version: 1, State: "current", Sealed: []byte{1}, CreatedAt: at}
			copy(sec.Digest[:], fmt.Sprintf("%032d", i*7919%1_000_003))
			if err := tx.AddKey(k, sec); err != nil {
				return err
			}
		}
		return nil
	}))
	must(tb, s.Close())
	return path
}

func snapshot(tb testing.TB, path string) *sqlite.Snapshot {
	tb.Helper()
	s, err := sqlite.OpenSnapshot(context.WithoutCancel(tb.Context()), path)
	must(tb, err)
	tb.Cleanup(func() { must(tb, s.Close()) })
	return s
}

func target(tb testing.TB, url string) *postgres.Store {
	tb.Helper()
	c, err := postgres.Parse(url)
	must(tb, err)
	s, err := postgres.Open(tb.Context(), c)
	must(tb, err)
	tb.Cleanup(func() { must(tb, s.Close()) })
	return s
}

func rowsOf(tables []Table, name string) int64 {
	i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return -1
	}
	return tables[i].Rows
}

// TestSchemas: a table or column that only one of the databases has can't be copied, and isn't forgotten.
func TestSchemas(t *testing.T) {
	t.Parallel()
	source, err := snapshot(t, filled(t, 0)).Tables(t.Context())
	must(t, err)
	s := target(t, pgtest.Own(t).Database(t))
	must(t, s.Import(t.Context(), filledTables(), func(i *postgres.Import) error {
		if diff := cmp.Diff([]string(nil), compareSchemas(source, i.Tables())); diff != "" {
			t.Error(diff)
		}
		if len(compareSchemas(source[1:], i.Tables())) != 1 {
			t.Error("a table that is missing is not noticed")
		}
		for _, name := range ownTables() {
			if !slices.ContainsFunc(i.Tables(), func(t store.Table) bool { return t.Name == name }) {
				t.Errorf("there is no table %s to leave out", name)
			}
		}
		return nil
	}))
}

func TestCopy(t *testing.T) {
	t.Parallel()
	path := filled(t, 300)
	before, err := os.ReadFile(path)
	must(t, err)
	from, to := snapshot(t, path), target(t, pgtest.Own(t).Database(t))
	var said int
	tables, err := Copy(t.Context(), from, to, func(Table) { said++ })
	must(t, err)
	if rowsOf(tables, "keys") != 300 || rowsOf(tables, "secrets") != 300 || rowsOf(tables, "key_tags") != 300 || rowsOf(tables, "orgs") != 1 || said != len(tables) {
		t.Errorf("%v, %d said", tables, said)
	}
	if after, err := os.ReadFile(path); err != nil || !slices.Equal(before, after) {
		t.Errorf("the source was changed: %v", err)
	}

	var counted store.KeyChanges
	var last int64
	must(t, to.View(t.Context(), func(tx store.Tx) (err error) {
		if counted, err = tx.KeyChanges(); err == nil {
			last, err = tx.LastChange()
		}
		if _, gone := tx.ChangesSince(0, 10); !errors.Is(gone, store.ErrChangesGone) {
			t.Errorf("who saw nothing is told %v", gone)
		}
		return err
	}))
	if counted.Added <= 300 || counted.Changed != last || last <= 300 {
		t.Errorf("counters %+v, last %d", counted, last)
	}
	must(t, to.Update(t.Context(), func(tx store.Tx) error { // the triggers count again
		k, err := tx.Key("org_1", "key_000000007")
		if err != nil {
			return err
		}
		k.Disabled = true
		return tx.UpdateKey(k)
	}))
	must(t, to.View(t.Context(), func(tx store.Tx) error {
		changes, err := tx.ChangesSince(last, 10)
		if len(changes) != 1 || changes[0].N != last+1 || changes[0].KeyID != "key_000000007" {
			t.Errorf("changes %+v", changes)
		}
		return err
	}))

	if _, err = Copy(t.Context(), from, to, func(Table) {}); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("a second copy: %v", err)
	}
}

// TestCutOff: a copy that ends in the middle leaves nothing behind, and can be made again.
func TestCutOff(t *testing.T) {
	t.Parallel()
	path := filled(t, 100)
	to := target(t, pgtest.Own(t).Database(t))
	for _, table := range []string{"orgs", "secrets"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Copy(ctx, snapshot(t, path), to, func(done Table) {
			if done.Name == table {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cut off after %s: %v", table, err)
		}
	}
	tables, err := Copy(t.Context(), snapshot(t, path), to, func(Table) {})
	must(t, err)
	if rowsOf(tables, "secrets") != 100 {
		t.Errorf("%v", tables)
	}
}

// TestDifferences: each way in which a copy may differ is found.
func TestDifferences(t *testing.T) {
	t.Parallel()
	list := func(rows ...[]any) func(func([]any, error) bool) {
		return func(yield func([]any, error) bool) {
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
		}
	}
	want := [][]any{{"a", int64(1), []byte{}}, {"b", nil, []byte{7}}}
	for name, tt := range map[string]struct {
		got  [][]any
		same bool
	}{
		"nothing":      {[][]any{{"a", int64(1), []byte{}}, {"b", nil, []byte{7}}}, true},
		"fewer rows":   {want[:1], false},
		"more rows":    {append(slices.Clone(want), want[0]), false},
		"text":         {[][]any{{"A", int64(1), []byte{}}, want[1]}, false},
		"number":       {[][]any{{"a", int64(2), []byte{}}, want[1]}, false},
		"bytes":        {[][]any{want[0], {"b", nil, []byte{8}}}, false},
		"empty is not": {[][]any{{"a", int64(1), nil}, want[1]}, false},
		"zero is not":  {[][]any{want[0], {"b", int64(0), []byte{7}}}, false},
		"type":         {[][]any{{"a", "1", []byte{}}, want[1]}, false},
	} {
		_, err := compareRows(store.Table{Name: "t"}, []string{"x", "y", "z"}, list(want...), list(tt.got...))
		if (err == nil) != tt.same || err != nil && !errors.Is(err, ErrDiffer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	_, err := ordered([]store.Table{{Name: "a", Refs: []string{"b"}}, {Name: "b", Refs: []string{"a"}}})
	if err == nil {
		t.Error("a circle is not noticed")
	}
}

// TestKilledSource: what a service that was killed left in its log is copied, too, and both files stay as they are.
func TestKilledSource(t *testing.T) {
	t.Parallel()
	path, killed := filled(t, 10), filepath.Join(t.TempDir(), "keyfob.db")
	s, err := sqlite.Open(t.Context(), path)
	must(t, err)
	must(t, s.Update(t.Context(), func(tx store.Tx) error {
		return tx.AddOrg(store.Org{ID: "org_2", Slug: "late", Name: "Late", DataKey: []byte{2}, CreatedAt: time.Unix(1, 0)})
	}))
	var files [][]byte
	for _, end := range []string{"", "-wal"} {
		text, err := os.ReadFile(path + end)
		must(t, errors.Join(err, os.WriteFile(killed+end, text, 0o600)))
		files = append(files, text)
	}
	must(t, s.Close())
	from, err := sqlite.OpenSnapshot(t.Context(), killed)
	must(t, err)
	tables, err := Copy(t.Context(), from, target(t, pgtest.Own(t).Database(t)), func(Table) {})
	must(t, errors.Join(err, from.Close()))
	if rowsOf(tables, "orgs") != 2 {
		t.Errorf("%v", tables)
	}
	for i, end := range []string{"", "-wal"} {
		if text, err := os.ReadFile(killed + end); err != nil || !slices.Equal(text, files[i]) {
			t.Errorf("keyfob.db%s was changed: %v", end, err)
		}
	}
}

func TestOlderSchema(t *testing.T) {
	t.Parallel()
	path := filled(t, 0)
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.ExecContext(t.Context(), `DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)`)
	must(t, errors.Join(err, db.Close()))
	if _, err := sqlite.OpenSnapshot(t.Context(), path); !errors.Is(err, store.ErrOlderSchema) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkCopy(b *testing.B) {
	const keys = 100_000
	server, path := pgtest.Own(b), filled(b, keys)
	for b.Loop() {
		b.StopTimer()
		to := target(b, server.Database(b))
		b.StartTimer()
		_, err := Copy(b.Context(), snapshot(b, path), to, func(Table) {})
		must(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Seconds())/float64(b.N), "s/copy")
}

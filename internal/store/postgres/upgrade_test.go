package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/schema"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close(context.WithoutCancel(t.Context()))) })
	return conn
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func join(s store.Store, id string) error {
	return s.Update(context.Background(), func(tx store.Tx) error { return tx.AddReplica(store.Replica{ID: id}) })
}

// TestLaterSchemas: a program runs on, starts on and joins a later schema if that says so.
func TestLaterSchemas(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	url := server.Database(t)
	running := open(t, url)
	known := len(allMigrations())
	for i, tt := range []struct {
		since int
		want  error
	}{{known, nil}, {known + 1, store.ErrNewerSchema}} {
		server.Exec(t, url, fmt.Sprintf(`INSERT INTO schema_migrations (version, name, applied_at, since) VALUES (%d, 'x', 0, %d)`, known+1+i, tt.since))
		s, err := Open(t.Context(), config(t, url))
		wants(t, err, tt.want)
		if err == nil {
			must(t, s.Close())
		}
		looks, err := OpenAsIs(t.Context(), config(t, url))
		wants(t, err, tt.want)
		if err == nil {
			must(t, looks.Close())
		}
		wants(t, join(running, fmt.Sprint("rep_", i)), tt.want)
	}
}

// TestMigrationThatEndsOlderPrograms: it waits until none of them serves, and none of them comes back.
func TestMigrationThatEndsOlderPrograms(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	url := server.Database(t)
	running := open(t, url)
	must(t, join(running, "rep_1"))
	conn := connect(t, url)
	known := len(allMigrations())
	all := append(allMigrations(), schema.Migration{Name: "breaks.sql", Text: `ALTER TABLE replicas RENAME COLUMN name TO called`, Since: known + 1})
	wants(t, migrateTo(t.Context(), conn, all), store.ErrServed)
	is, err := schemaOf(t.Context(), conn)
	if must(t, err); is.Version != known {
		t.Errorf("%+v", is)
	}
	server.Exec(t, url, `UPDATE replicas SET seen_at = seen_at - 3600000000`)
	must(t, migrateTo(t.Context(), conn, all))
	is, err = schemaOf(t.Context(), conn)
	if must(t, err); is != (schema.Applied{Version: known + 1, Since: known + 1}) {
		t.Errorf("%+v", is)
	}
	wants(t, running.Update(t.Context(), func(tx store.Tx) error { return tx.RenewReplica("rep_1", 1) }), store.ErrNotFound)
	wants(t, join(running, "rep_2"), store.ErrNewerSchema)
}

// TestMigrationGivesWay: one that waits for a table that somebody reads does not keep everybody else from it.
func TestMigrationGivesWay(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	url := server.Database(t)
	s := open(t, url)
	reader, mine := connect(t, url), connect(t, url)
	_, err := reader.Exec(t.Context(), `BEGIN; LOCK TABLE keys IN ACCESS SHARE MODE`)
	must(t, err)
	known := len(allMigrations())
	done := make(chan error, 1)
	go func() {
		done <- migrateTo(t.Context(), mine, append(allMigrations(), schema.Migration{Name: "adds.sql", Text: `ALTER TABLE keys ADD COLUMN more BIGINT`, Since: known}))
	}()
	waits := func() (n int) {
		must(t, reader.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&n))
		return n
	}
	for range 3 {
		for until := time.Now().Add(20 * time.Second); waits() == 0; {
			if time.Now().After(until) {
				t.Fatal("the migration does not wait")
			}
		}
		short, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := s.View(short, func(tx store.Tx) error {
			_, _, err := tx.CountKeys()
			return err
		})
		cancel()
		must(t, err)
	}
	_, err = reader.Exec(t.Context(), `COMMIT`)
	must(t, err)
	must(t, <-done)
}

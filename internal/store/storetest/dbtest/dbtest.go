// Package dbtest opens the database that a test of the layers above the store runs on: a SQLite file or, with -database=postgres, a
// database of its own on one PostgreSQL server of the test binary's. It must not know what is kept in it.
package dbtest

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
)

var (
	engine = flag.String("database", onSQLite, "what the tests run on: "+onSQLite+" or "+onPostgres) //nolint:gochecknoglobals // a flag
	server pgtest.Server                                                                             //nolint:gochecknoglobals // one for the binary
)

// Run is what TestMain does: it runs the tests, and ends the server if there was one. It returns the status to exit with.
func Run(m *testing.M) (status int) {
	flag.Parse()
	if *engine != onSQLite && *engine != onPostgres {
		fmt.Printf("-database is %s or %s\n", onSQLite, onPostgres) //nolint:forbidigo // only TestMain calls this
		return 2
	}
	if *engine == onPostgres && pgtest.Programs() != "" { // now: a test that has a time of its own must not start it
		if err := server.Run(context.Background()); err != nil {
			fmt.Println(err) //nolint:forbidigo // likewise
			return 1
		}
	}
	status = m.Run()
	if err := server.Close(); err != nil {
		fmt.Println(err) //nolint:forbidigo // likewise
		return 1
	}
	return status
}

// Database is an empty database, which ends with its test.
type Database struct {
	path string // of SQLite's file
	url  string // of PostgreSQL's database
}

// New makes a database.
func New(tb testing.TB) Database {
	tb.Helper()
	if *engine == onPostgres {
		return Postgres(tb, nil)
	}
	return At(filepath.Join(tb.TempDir(), "keyfob.db"))
}

// Postgres makes a database on PostgreSQL, whatever the others run on; settings are those of a connection's URL.
func Postgres(tb testing.TB, settings map[string]string) Database {
	tb.Helper()
	return On(tb, &server, settings)
}

// On is Postgres on a server that is no other test's.
func On(tb testing.TB, own *pgtest.Server, settings map[string]string) Database {
	tb.Helper()
	u, err := url.Parse(own.Database(tb))
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	for name, value := range settings {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return Database{url: u.String()}
}

// Session is a connection of a test's own to a database on PostgreSQL, which ends with the test.
func (d Database) Session(tb testing.TB) *pgx.Conn {
	tb.Helper()
	c, err := pgxpool.ParseConfig(d.url) // it takes what is said of a pool from the URL
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(tb.Context(), c.ConnConfig)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) }) // the database goes with it
	return conn
}

// Make makes a database for a program that is run by no testing.TB, and returns its URL and what removes it. Empty: the tests run
// on SQLite.
func Make(ctx context.Context) (url string, remove func() error, err error) {
	if *engine != onPostgres {
		return "", func() error { return nil }, nil
	}
	if err := server.Run(ctx); err != nil {
		return "", nil, err
	}
	return server.Make(ctx)
}

// At is the database in a SQLite file, whatever the others run on.
func At(path string) Database { return Database{path: path} }

// Open opens the database, for a second time as another process would. The store is closed with the test.
func (d Database) Open(tb testing.TB) store.Store {
	tb.Helper()
	st, err := d.open(tb)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return st
}

func (d Database) open(tb testing.TB) (store.Store, error) {
	tb.Helper()
	if d.url == "" {
		return sqlite.Open(tb.Context(), d.path)
	}
	c, err := postgres.Parse(d.url)
	if err != nil {
		return nil, err
	}
	return postgres.Open(tb.Context(), c)
}

// File is the path of SQLite's file, for a test that is about it; on another engine the test is skipped.
func (d Database) File(tb testing.TB) string {
	tb.Helper()
	if d.path == "" {
		tb.Skip("this is about SQLite's file")
	}
	return d.path
}

// Content is all that the database holds, as it is kept, for a test that looks for secrets in it.
func (d Database) Content(tb testing.TB) []byte {
	tb.Helper()
	if d.url != "" {
		return server.Content(tb, d.url)
	}
	var all []byte
	for _, path := range []string{d.path, d.path + "-wal"} {
		b, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

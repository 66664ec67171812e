package postgres

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

// TestRefusals: a database that a service can't use is refused once, in one line that says why, by who opens it and who looks.
func TestRefusals(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	server.Database(t) // starts it
	for _, tt := range []struct {
		name         string
		before       string // is run on the database
		option       string // of the URL
		opens, looks error
		says         string // whoever opens it
	}{
		{"empty", "", "", nil, store.ErrNoSchema, ""},
		{"another's tables", "CREATE TABLE customers ()", "", store.ErrUnfit, store.ErrUnfit, "it holds tables of another program"},
		{
			"tables of a role that grants nothing", "CREATE ROLE other; CREATE TABLE customers (); ALTER TABLE customers OWNER TO other", "user=apart",
			store.ErrUnfit, store.ErrUnfit, "it holds tables of another program",
		},
		{"a view in the way", "CREATE VIEW events AS SELECT 1", "", store.ErrUnfit, store.ErrNoSchema, `relation "events" already exists`},
		{
			"no such schema", "", "search_path=nosuch", store.ErrUnfit, store.ErrUnfit,
			"search_path is 'nosuch', in which there is no schema that the user may use",
		},
		{"no right to make tables", "CREATE ROLE bare LOGIN", "user=bare", store.ErrUnfit, store.ErrNoSchema, "permission denied for schema public"},
		{"no such database", "", "dbname=nosuch", store.ErrRefused, store.ErrRefused, `database "nosuch" does not exist`},
	} {
		to := server.Database(t)
		server.Exec(t, to, "DO $$ BEGIN IF to_regrole('apart') IS NULL THEN CREATE ROLE apart LOGIN; END IF; END $$;"+tt.before)
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		u.RawQuery += "&" + tt.option
		if looks, err := OpenAsIs(t.Context(), config(t, u.String())); !errors.Is(err, tt.looks) {
			t.Errorf("%s: who looks gets %v", tt.name, err)
		} else if err == nil {
			must(t, looks.Close())
		}
		s, err := Open(t.Context(), config(t, u.String()))
		if err == nil {
			must(t, s.Close())
		}
		if !errors.Is(err, tt.opens) {
			t.Errorf("%s: who opens it gets %v", tt.name, err)
			continue
		}
		if err != nil && (strings.Count(err.Error(), tt.says) != 1 || strings.Count(err.Error(), "database "+config(t, u.String()).Name()) != 1) {
			t.Errorf("%s: it says %q", tt.name, err)
		}
	}
}

// TestFailedConnectionsInOneLine: pgx tries twice, and has a line for each.
func TestFailedConnectionsInOneLine(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), config(t, "postgres://u@127.0.0.1:1/x"))
	const want = "database x at 127.0.0.1:1: the database can't be reached: failed to connect to `user=u database=x`: " +
		"127.0.0.1:1 (127.0.0.1): dial error: dial tcp 127.0.0.1:1: connect: connection refused"
	if !errors.Is(err, store.ErrUnreachable) || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// TestURLsThatCantBeUsed: the reason is told, and nothing of the rest of the URL.
func TestURLsThatCantBeUsed(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"mysql://u@h/d":                         "it is not of the form postgres://USER@HOST:PORT/DATABASE",
		"postgres://u@h:99999/d":                "it is not of the form postgres://USER@HOST:PORT/DATABASE",
		"postgres://u@h":                        "it is not of the form postgres://USER@HOST:PORT/DATABASE: the database is missing",
		"postgres://u@h/d?sslmode=some":         "sslmode is invalid",
		"postgres://u@h/d?sslrootcert=/nope/ca": "unable to read CA file: open /nope/ca: no such file or directory",
	} {
		if _, err := Parse(raw); err == nil || err.Error() != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

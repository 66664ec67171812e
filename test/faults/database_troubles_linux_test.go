package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

// troubled is a service whose PostgreSQL gets into trouble.
type troubled struct {
	*service

	server *pgtest.Server
	pass   string // the password file
	made   int
}

func newTroubled(t *testing.T) *troubled {
	t.Helper()
	server := pgtest.Own(t)
	server.Database(t)
	tr := &troubled{server: server, pass: filepath.Join(t.TempDir(), "pgpass")}
	tr.service = &service{
		T: t, data: filepath.Join(t.TempDir(), "data"), env: []string{"PGPASSFILE=" + tr.pass},
		flags: []string{"--database", "postgres://app@" + server.Address() + "/app?statement_timeout=1s&lock_timeout=500ms&pool_max_conns=4"},
	}
	var err error
	if tr.program, err = keyfobd(); err != nil {
		t.Fatal(err)
	}
	tr.password("first")
	tr.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'first'")
	tr.sql("postgres", "CREATE DATABASE app OWNER app ENCODING 'UTF8' TEMPLATE template0")
	tr.bootstrap()
	t.Cleanup(tr.kill)
	tr.start()
	return tr
}

func (tr *troubled) password(is string) {
	tr.Helper()
	if err := os.WriteFile(tr.pass, []byte("*:*:*:app:"+is+"\n"), 0o600); err != nil {
		tr.Fatal(err)
	}
}

// sql runs a statement as the administrator, for whom writes are never switched off.
func (tr *troubled) sql(database, statement string) {
	tr.Helper()
	tr.server.Exec(tr.T, tr.server.Socket(database)+"&default_transaction_read_only=off", statement)
}

// lost ends the service's connections.
func (tr *troubled) lost() {
	tr.Helper()
	tr.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
}

// trigger has something done before each new key.
func (tr *troubled) trigger(does string) {
	tr.Helper()
	tr.sql("app", "CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+does+"; RETURN NEW; END $$")
	tr.sql("app", "CREATE TRIGGER trouble BEFORE INSERT ON keys FOR EACH ROW EXECUTE FUNCTION trouble()")
}

// create makes a key and returns how that was answered.
func (tr *troubled) create() (int, string) {
	tr.Helper()
	tr.made++
	status, text, err := tr.ask(http.MethodPost, "/v1/orgs/acme/keys", tr.session.Reveal(), fmt.Sprintf(`{"name":"t%d"}`, tr.made))
	if err != nil {
		tr.Error(err)
	}
	return status, text
}

// TestDatabaseTroubles: whatever is wrong with PostgreSQL, requests are answered with 503 and the log says what it is; once it is put
// right the service goes on by itself.
func TestDatabaseTroubles(t *testing.T) {
	t.Parallel()
	tr := newTroubled(t)
	var reader *pgx.Conn
	for _, tt := range []struct {
		name        string
		comes, goes func()
		says        string // the log
		status      string // what `keyfobd status` says then; empty: it is not asked
	}{
		{
			"it takes no writes", func() {
				tr.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
				tr.sql("postgres", "SELECT pg_reload_conf()")
			}, func() {
				tr.sql("postgres", "ALTER SYSTEM RESET default_transaction_read_only")
				tr.sql("postgres", "SELECT pg_reload_conf()")
			}, "it takes no writes", "",
		},
		{
			"its disk is full", // it answers what it answers then
			func() { tr.trigger("RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'") },
			func() { tr.sql("app", "DROP FUNCTION trouble CASCADE") }, "the disk is full", "",
		},
		{
			"a statement takes too long",
			func() { tr.trigger("PERFORM pg_sleep(5)") },
			func() { tr.sql("app", "DROP FUNCTION trouble CASCADE") }, "a statement took too long", "",
		},
		{
			"a lock is held", func() {
				var err error
				if reader, err = pgx.Connect(t.Context(), tr.server.Socket("app")); err != nil {
					t.Fatal(err)
				}
				if _, err := reader.Exec(t.Context(), "BEGIN; LOCK TABLE keys IN ACCESS EXCLUSIVE MODE"); err != nil {
					t.Fatal(err)
				}
			}, func() { _ = reader.Close(context.WithoutCancel(t.Context())) }, "a lock was not free in time", "",
		},
		{
			"it has no connection left", func() {
				tr.sql("postgres", "ALTER ROLE app CONNECTION LIMIT 0")
				tr.lost()
			}, func() { tr.sql("postgres", "ALTER ROLE app CONNECTION LIMIT -1") }, "it lets nobody else in", "max_connections",
		},
		{
			"the password was changed", func() {
				tr.sql("postgres", "ALTER ROLE app PASSWORD 'second'")
				tr.lost()
			}, func() { tr.password("second") }, "the password is wrong or missing", "check user, password",
		},
		{
			"the role may not log in", func() {
				tr.sql("postgres", "ALTER ROLE app NOLOGIN")
				tr.lost()
			}, func() { tr.sql("postgres", "ALTER ROLE app LOGIN") }, "it lets this user not in from here", "check user, password",
		},
		{
			"it is stopped for an upgrade", func() { tr.server.Stop(t, syscall.SIGINT) }, func() { tr.server.Start(t) }, "can't be reached", "start the database",
		},
	} {
		before := len(tr.log.String())
		tt.comes()
		for until := time.Now().Add(wait); ; <-time.After(20 * time.Millisecond) {
			status, text := tr.create()
			said := strings.Contains(tr.log.String()[before:], tt.says)
			if status == http.StatusServiceUnavailable && said {
				break
			}
			if status != http.StatusServiceUnavailable && status != http.StatusCreated || time.Now().After(until) {
				t.Errorf("%s: %d %s; the log says %q", tt.name, status, text, tr.log.String()[before:])
				break
			}
		}
		if tt.status != "" {
			if out, err := tr.status(); err == nil || !strings.Contains(out, tt.status) {
				t.Errorf("%s: status says %s (%v)", tt.name, out, err)
			}
		}
		tt.goes()
		(&node{service: tr.service}).serves()
		if status, text := tr.create(); status != http.StatusCreated {
			t.Errorf("%s, and it is put right: %d %s", tt.name, status, text)
		}
		t.Logf("%s: %d bytes of log", tt.name, len(tr.log.String())-before)
	}
}

func (tr *troubled) status() (string, error) {
	tr.Helper()
	return tr.run(append([]string{"env"}, tr.env...), append([]string{"status", "--data-dir", tr.data}, tr.flags...)...)
}

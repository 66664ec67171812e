package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"
)

func TestSettingsOfEveryConnection(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	for name, pool := range map[string]struct {
		db        *sql.DB
		conns     int
		queryOnly int
	}{"writer": {s.writer, 1, 0}, "reader": {s.reader, readers, 1}} {
		var conns []*sql.Conn
		for range pool.conns {
			conn, err := pool.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
			got := settings{}
			var busy, queryOnly int
			const q = `SELECT sqlite_version(), journal_mode, synchronous, foreign_keys, timeout, query_only
				FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_busy_timeout, pragma_query_only`
			if err := conn.QueryRowContext(t.Context(), q).Scan(&got.version, &got.journal, &got.synchronous, &got.foreignKeys, &busy, &queryOnly); err != nil {
				t.Fatal(err)
			}
			if err := got.check(); err != nil || busy != 5000 || queryOnly != pool.queryOnly {
				t.Errorf("%s: %+v, busy_timeout %d, query_only %d: %v", name, got, busy, queryOnly, err)
			}
		}
		if n := pool.db.Stats().MaxOpenConnections; n != pool.conns {
			t.Errorf("%s: up to %d connections, want %d", name, n, pool.conns)
		}
		for _, c := range conns {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := settings{"3.51.3", "wal", 2, 1}
	for name, tt := range map[string]struct {
		change func(*settings)
		want   string
	}{
		"good":            {func(*settings) {}, ""},
		"newer patch":     {func(s *settings) { s.version = "3.51.4" }, ""},
		"newer minor":     {func(s *settings) { s.version = "3.52.0" }, ""},
		"newer major":     {func(s *settings) { s.version = "4.0.0" }, ""},
		"extra":           {func(s *settings) { s.synchronous = 3 }, ""},
		"WAL-reset bug":   {func(s *settings) { s.version = "3.51.2" }, "SQLite 3.51.2 can lose writes"},
		"old":             {func(s *settings) { s.version = "3.9.99" }, "SQLite 3.9.99 can lose writes"},
		"odd version":     {func(s *settings) { s.version = "new" }, "SQLite new can lose writes"},
		"no WAL":          {func(s *settings) { s.journal = "delete" }, `journal_mode is "delete"`},
		"normal":          {func(s *settings) { s.synchronous = 1 }, "synchronous is 1"},
		"no foreign keys": {func(s *settings) { s.foreignKeys = 0 }, "foreign_keys is off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := good
			tt.change(&s)
			wantError(t, s.check(), tt.want)
		})
	}
}

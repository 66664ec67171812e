package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// modernc.org/sqlite runs each _pragma on every connection it opens, busy_timeout first.

// writerDSN lets the log grow to 32 MB before it is moved into the file: a page that many changes write, such as those where the last
// events stand, is moved once for all of them. What a statement may have to undo stays in memory: it is at most a hundred rows.
func writerDSN(path string) string {
	return dsn(path, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "secure_delete(1)",
			"temp_store(MEMORY)", "wal_autocheckpoint(8000)",
		},
	})
}

func readerDSN(path string) string {
	return dsn(path, url.Values{
		"_pragma": {"busy_timeout(5000)", "synchronous(FULL)", "foreign_keys(1)", "query_only(1)"},
	})
}

func probeDSN(path string) string {
	return dsn(path, url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}})
}

// dsn makes a file URI (https://sqlite.org/uri.html). mode=rw: the file is there, prepareFile has seen to its mode.
func dsn(path string, q url.Values) string {
	q.Set("mode", "rw")
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // C:/…
	}
	return (&url.URL{Scheme: "file", Path: p, OmitHost: true, RawQuery: q.Encode()}).String()
}

// settings are what a connection must have for an acknowledged write to be safe.
type settings struct {
	version     string
	journal     string
	synchronous int
	foreignKeys int
}

func assertSafe(ctx context.Context, db *sql.DB) error {
	const q = `SELECT sqlite_version(), journal_mode, synchronous, foreign_keys
		FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys`
	var s settings
	if err := db.QueryRowContext(ctx, q).Scan(&s.version, &s.journal, &s.synchronous, &s.foreignKeys); err != nil {
		return err
	}
	return s.check()
}

func (s settings) check() error {
	const full = 2
	switch {
	case !atLeast(s.version, 3, 51, 3):
		// https://sqlite.org/wal.html#walresetbug
		return fmt.Errorf("SQLite %s can lose writes in WAL mode; at least 3.51.3 is needed", s.version)
	case s.journal != "wal":
		return fmt.Errorf("journal_mode is %q, not wal: the file system may not support shared memory (a network share?)", s.journal)
	case s.synchronous < full:
		return fmt.Errorf("synchronous is %d, not FULL: a power cut could lose writes", s.synchronous)
	case s.foreignKeys != 1:
		return errors.New("foreign_keys is off")
	}
	return nil
}

func atLeast(version string, want ...int) bool {
	got := make([]int, len(want))
	if n, err := fmt.Sscanf(version, "%d.%d.%d", &got[0], &got[1], &got[2]); err != nil || n != len(want) {
		return false
	}
	for i := range want {
		if got[i] != want[i] {
			return got[i] > want[i]
		}
	}
	return true
}

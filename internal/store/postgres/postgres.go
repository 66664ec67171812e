// Package postgres is the store on a PostgreSQL server of version 13 or newer, which several processes, on several machines, may
// have open at once.
//
// Its core path needs transactions that are serializable, triggers and nothing else of PostgreSQL: no LISTEN/NOTIFY, no advisory
// lock, no serial number. The package must not know the rules of the domain, and nothing of it but Open, Config and what copies a
// store (Import) is used by name.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/keyfob/keyfob/internal/store"
)

// Store is a store.Store on a PostgreSQL server.
type Store struct {
	name string // host, port and database, for people
	pool *pgxpool.Pool
	gate *semaphore.Weighted // of Update: a transaction that runs again runs alone in this process
	met  meetings

	apart *Store // nil: this is it
	mark  string // of this process, by which it knows its own notifications
}

var _ store.Store = (*Store)(nil)

// No wait is without an end, whatever the caller's context says.
const (
	openTimeout     = time.Minute      // migrations included
	connectTimeout  = 5 * time.Second  // to one address
	acquireTimeout  = 10 * time.Second // for a free connection of the pool
	txTimeout       = 30 * time.Second // of one View or Update, with all that it is run again
	endTimeout      = 10 * time.Second // of COMMIT and ROLLBACK
	everyone        = 1 << 20          // more than run at once
	apartConns      = 3                // one that renews a lease, one that looks at the others', one that takes what has run out
	oldestSupported = 130000
)

// sessionSettings are what the server ends by itself, unless the URL says otherwise.
func sessionSettings() map[string]string {
	return map[string]string{
		"application_name":                    "keyfobd",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "20s",
	}
}

// Config is a database that a URL names.
type Config struct{ pool *pgxpool.Config }

// Parse reads a URL postgres://USER@HOST:PORT/DATABASE?OPTION=VALUE, and completes it from libpq's environment variables and its
// password file (https://www.postgresql.org/docs/current/libpq-pgpass.html). pool_max_conns bounds the connections of the
// process; without it they are four, or as many as there are processors. The password file is read again for each connection. The
// error quotes nothing of the URL.
func Parse(raw string) (Config, error) {
	const form = "it is not of the form postgres://USER@HOST:PORT/DATABASE"
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return Config{}, errors.New(form) // url.Error quotes the password
	}
	pool, err := pgxpool.ParseConfig(raw)
	if err != nil {
		if bad, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && bad.Unwrap() != nil {
			return Config{}, bad.Unwrap() // of an option: a URL that can't be read was refused above
		}
		return Config{}, errors.New(form)
	}
	if pool.ConnConfig.Database == "" {
		return Config{}, errors.New(form + ": the database is missing")
	}
	for name, value := range sessionSettings() {
		if _, set := pool.ConnConfig.RuntimeParams[name]; !set {
			pool.ConnConfig.RuntimeParams[name] = value
		}
	}
	if !u.Query().Has("connect_timeout") {
		pool.ConnConfig.ConnectTimeout = connectTimeout
	}
	pool.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error { // the password may have been changed since
		if fresh, err := pgconn.ParseConfig(raw); err == nil {
			conn.Password = fresh.Password
		}
		return nil
	}
	return Config{pool}, nil
}

// Name is host, port and database.
func (c Config) Name() string {
	conn := c.pool.ConnConfig
	if strings.HasPrefix(conn.Host, "/") {
		return conn.Database + " at " + conn.Host
	}
	return conn.Database + " at " + net.JoinHostPort(conn.Host, strconv.Itoa(int(conn.Port)))
}

// Open opens the database and brings its schema up to date, together with any other process that does so now. A database that
// holds something else or is of a schema that is too new (store.ErrNewerSchema), a standby, and a server that is too old or could lose
// what it acknowledged (store.ErrUnfit) are refused and left as they are. Open takes at most a minute.
func Open(ctx context.Context, c Config) (*Store, error) { return openWith(ctx, c, migrate) }

// OpenAsIs is Open for who only looks: a database without a schema (store.ErrNoSchema) or with one that is older than this program's
// (store.ErrOlderSchema) is refused, and left as it is.
func OpenAsIs(ctx context.Context, c Config) (*Store, error) {
	return openWith(ctx, c, func(ctx context.Context, conn *pgx.Conn) error {
		is, err := schemaOf(ctx, conn)
		known := len(allMigrations())
		switch {
		case err != nil:
			return err
		case is.Version == 0:
			return store.ErrNoSchema
		case is.Version < known:
			return fmt.Errorf("%w: its schema is %d, this program's %d", store.ErrOlderSchema, is.Version, known)
		}
		return is.Refuse(known)
	})
}

func openWith(ctx context.Context, c Config, prepare func(context.Context, *pgx.Conn) error) (*Store, error) {
	short, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s := &Store{name: c.Name(), gate: semaphore.NewWeighted(everyone), met: meetings{start: time.Now()}, mark: rand.Text()}
	var err error
	if s.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), c.pool.Copy()); err != nil {
		return nil, s.fault(ctx, err)
	}
	if err := s.open(short, prepare); err != nil {
		s.pool.Close()
		return nil, err
	}
	few := c.pool.Copy()
	few.MaxConns, few.MinConns, few.MinIdleConns = apartConns, 0, 0
	s.apart = &Store{name: s.name, gate: semaphore.NewWeighted(everyone), met: meetings{start: time.Now()}, mark: s.mark}
	if s.apart.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), few); err != nil { // it connects when it is used
		s.pool.Close()
		return nil, s.fault(ctx, err)
	}
	return s, nil
}

// Apart is the same database over connections apart, for what must not wait until other transactions of this process are done. It
// ends with the store.
func (s *Store) Apart() store.Store { return s.apart }

func (s *Store) open(ctx context.Context, prepare func(context.Context, *pgx.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.unreachable(ctx, err)
	}
	defer conn.Release()
	var is settings
	err = conn.QueryRow(ctx, settingsQuery).Scan(&is.version, &is.encoding, &is.standby, &is.fsync, &is.commit, &is.path)
	if err == nil {
		err = is.check()
	}
	if err == nil {
		err = prepare(ctx, conn.Conn())
	}
	if err != nil {
		return s.fault(ctx, err)
	}
	return nil
}

// settings are what a server must have for an acknowledged write to be safe. One that does not know a setting is taken to have it.
type settings struct {
	version  int
	encoding string
	standby  bool
	fsync    string
	commit   string
	path     string // search_path; empty: it names a schema that is there
}

const settingsQuery = `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery(),
	coalesce(current_setting('fsync', true), 'on'), coalesce(current_setting('synchronous_commit', true), 'on'),
	CASE WHEN current_schema() IS NULL THEN format('%L', current_setting('search_path')) ELSE '' END`

func (s settings) check() error {
	switch {
	case s.version < oldestSupported:
		return fmt.Errorf("%w: PostgreSQL %d is too old, 13 is needed", store.ErrUnfit, s.version/10000)
	case s.encoding != "UTF8":
		return fmt.Errorf("%w: its encoding is %s, not UTF8", store.ErrUnfit, s.encoding)
	case s.standby:
		return fmt.Errorf("%w: it is a standby", store.ErrReadOnly)
	case s.fsync != "on":
		return fmt.Errorf("%w: fsync is %s, so that a power cut could lose writes", store.ErrUnfit, s.fsync)
	case s.commit == "off":
		return fmt.Errorf("%w: synchronous_commit is off, so that a crash could lose writes", store.ErrUnfit)
	case s.path != "":
		return fmt.Errorf("%w: search_path is %s, in which there is no schema that the user may use", store.ErrUnfit, s.path)
	}
	return nil
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	const write = `UPDATE readiness SET at = at + 1 WHERE id = 1`
	if err := ctx.Err(); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	return s.again(short, func() error {
		conn, err := s.pool.Acquire(short)
		if err != nil {
			return s.unreachable(ctx, err)
		}
		defer conn.Release()
		if _, err := conn.Exec(short, write); err != nil {
			if isLost(err) && short.Err() == nil {
				return errStale
			}
			return s.unreachable(ctx, err)
		}
		return nil
	})
}

// Close implements store.Store. It waits for the transactions that run.
func (s *Store) Close() error {
	s.pool.Close()
	if s.apart != nil {
		s.apart.pool.Close()
	}
	return nil
}

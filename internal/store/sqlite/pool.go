package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/keyfob/keyfob/internal/store/statements"
)

// openPool opens the pool and one connection in it. Another process that is just making the same file can hold locks that
// SQLite does not wait for, so a busy database is asked again until ctx ends.
func openPool(ctx context.Context, dsn string, conns int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return db, nil
		}
		if !isBusy(err) {
			return nil, errors.Join(err, db.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, db.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// prepareHot prepares the queries that every request runs: to plan them takes SQLite longer than to run them. It is done
// here because a pool whose connections are all in transactions can't prepare.
func prepareHot(ctx context.Context, db *sql.DB) (map[string]*sql.Stmt, error) {
	prepared := map[string]*sql.Stmt{}
	for _, query := range append(statements.Hot(), keyChanges) {
		stmt, err := db.PrepareContext(ctx, query) //nolint:sqlclosecheck // it lives as long as the pool, which closes it
		if err != nil {
			return nil, err
		}
		prepared[query] = stmt
	}
	return prepared, nil
}

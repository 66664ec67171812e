package pgtest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Make makes an empty database on a server that runs, and returns its URL, over the socket, and what removes it.
func (s *Server) Make(ctx context.Context) (database string, remove func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	name := "test_" + strconv.Itoa(s.made)
	remove = func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.cmd == nil {
			return nil
		}
		return execute(context.WithoutCancel(ctx), s.Socket("postgres"), "DROP DATABASE "+name+" WITH (FORCE)")
	}
	return s.Socket(name), remove, execute(ctx, s.Socket("postgres"), "CREATE DATABASE "+name)
}

// Exec runs statements on a database.
func (*Server) Exec(tb testing.TB, to, statements string) {
	tb.Helper()
	if err := execute(context.WithoutCancel(tb.Context()), to, statements); err != nil {
		tb.Fatal(err)
	}
}

func execute(ctx context.Context, to, statements string) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := pgx.Connect(ctx, to)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol)
	return errors.Join(err, conn.Close(ctx))
}

// Content is what the tables of a database hold, bytes as they are.
func (*Server) Content(tb testing.TB, of string) []byte {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), wait)
	defer cancel()
	conn, err := pgx.Connect(ctx, of)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`)
	if err != nil {
		tb.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatal(err)
	}
	var all bytes.Buffer
	for _, t := range tables {
		if _, err := conn.PgConn().CopyTo(ctx, &all, "COPY "+t+" TO STDOUT (FORMAT binary)"); err != nil {
			tb.Fatal(err)
		}
	}
	return all.Bytes()
}

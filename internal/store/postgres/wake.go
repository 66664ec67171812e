package postgres

import (
	"context"
	"time"
)

// channel is what replicas listen to.
const channel = "keyfob_changes"

// Wake tells the other processes on this database that something has changed. PostgreSQL loses what nobody listens to.
func (s *Store) Wake(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `SELECT pg_notify($1, '')`, channel)
	return err
}

// Woken calls fn whenever a process wakes those on this database, until ctx ends. It has a connection of its own, and gets another
// when that is lost; a server that knows no LISTEN wakes nobody.
func (s *Store) Woken(ctx context.Context, fn func()) {
	const again = 2 * time.Second
	for ctx.Err() == nil {
		_ = s.listen(ctx, fn) // who waits in vain asks by itself
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

func (s *Store) listen(ctx context.Context, fn func()) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	own := conn.Hijack() // it is never given back: it listens
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = own.Close(end)
	}()
	if _, err := own.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	for {
		if _, err := own.WaitForNotification(ctx); err != nil {
			return err
		}
		fn()
	}
}
